"""Looking inside: what a trained model reads in a sequence, and how an encoder lays sequences out."""
