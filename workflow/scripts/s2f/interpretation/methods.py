"""The methods that explain predictions."""

METHODS = ("ism", "window", "saliency", "ig")
NEED_GRADIENT = ("saliency", "ig")
