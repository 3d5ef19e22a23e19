"""Language models of two layers, for tests that compute; the fixtures `toy_lamar` and `toy_dnabert2` make them
sizes."""

TOY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
TOY_DNABERT2 = {**TOY, "vocab_size": 281}
