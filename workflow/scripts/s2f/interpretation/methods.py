"""The methods by which predictions are explained."""

METHODS = ("ism", "window", "saliency", "ig")
NEED_GRADIENT = ("saliency", "ig")
