"""The methods by which predictions are explained, and the kinds of models that have the gradient that two need."""

METHODS = ("ism", "window", "saliency", "ig")
NEED_GRADIENT = ("saliency", "ig")
WITH_GRADIENT = {  # kinds by section of a study
    "encoders": ("alphagenome", "onehot", "lamar"),
    "baselines": ("malinois", "malinois_published", "lamar_finetuned"),
}
