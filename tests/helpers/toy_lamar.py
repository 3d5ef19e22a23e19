"""A LAMAR of two layers, for tests that compute; as a size of LAMAR: the fixture `toy_lamar`."""

TOY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
