"""A study with one key changed."""

import copy


def changed_study(study, *keys_and_value):
    """A copy of `study` with one key changed: `changed_study(STUDY, "tapt", "adapted", "size", "lamar")`."""
    config = copy.deepcopy(study)
    *keys, last, value = keys_and_value
    place = config
    for key in keys:
        place = place[key]
    place[last] = value
    return config
