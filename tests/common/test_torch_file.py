"""Files of torch.save read without torch: the same numbers, and nothing that is executed."""

import collections
import pickle
import zipfile

import numpy as np
import pytest
import torch

from s2f.common import torch_file
from s2f.common.errors import InputError


def test_tensors_of_all_kinds_are_those_that_torch_saved(tmp_path):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = collections.OrderedDict(
        whole=base, again=base, part=base[1:3, 2:5], turned=base.T, every_other=base[:, ::2], one=base[3, 5],
        none=torch.zeros(0, 3), counter=torch.tensor(7), half=base.half(), double=base.double(),
        numbers=torch.tensor([3]).int(),
    )  # fmt: skip
    state._metadata = {"": {"version": 1}}  # as torch.nn.Module.state_dict has
    torch.save(state, tmp_path / "a.bin")
    contents = torch_file.contents(tmp_path / "a.bin")
    assert list(contents) == list(state) and contents["whole"] == contents["again"]
    found = torch_file.arrays(tmp_path / "a.bin", contents)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.numpy().dtype and found[name].flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(found[name], tensor.numpy())
    assert torch_file.arrays(tmp_path / "a.bin", {"one": contents["one"]}) == {"one": 23}


def test_arrays_are_written_as_torch_and_this_module_read_them(tmp_path):
    arrays = {
        "whole": np.arange(12, dtype=np.float32).reshape(3, 4), "turned": np.arange(6.0).reshape(2, 3).T,
        "none": np.zeros((0, 3), np.float32), "counter": np.array(7), "half": np.ones((2, 1), np.float16),
    }  # fmt: skip
    torch_file.write(tmp_path / "a.bin", arrays)
    theirs, ours = torch.load(tmp_path / "a.bin", weights_only=True), torch_file.contents(tmp_path / "a.bin")
    assert list(theirs) == list(ours) == list(arrays)
    for name, found in torch_file.arrays(tmp_path / "a.bin", ours).items():
        assert found.dtype == theirs[name].numpy().dtype == arrays[name].dtype
        np.testing.assert_array_equal(found, arrays[name])
        np.testing.assert_array_equal(theirs[name].numpy(), arrays[name])


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("inside", [True, False])
def test_a_file_that_would_execute_something_is_refused_and_does_not(tmp_path, inside):
    evil = Evil(tmp_path / "executed")
    torch.save({"x": torch.ones(1), "y": evil} if inside else evil, tmp_path / "evil.bin")
    with pytest.raises(InputError, match=r"evil\.bin: is broken, or holds more than tensors and is refused: .*open"):
        torch_file.contents(tmp_path / "evil.bin")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("value", [torch.nn.Linear(1, 1), np.ones(2), {1, 2}.__class__])
def test_other_classes_are_refused(tmp_path, value):
    torch.save({"x": value}, tmp_path / "a.bin")
    with pytest.raises(InputError, match="holds more than tensors and is refused: it asks for"):
        torch_file.contents(tmp_path / "a.bin")


@pytest.mark.parametrize("value", [{"x": torch.ones(1), "epoch": 3}, [torch.ones(1)], 5])
def test_values_that_are_no_tensors_are_refused(tmp_path, value):
    torch.save(value, tmp_path / "a.bin")
    with pytest.raises(InputError, match=r"a\.bin: holds something other than names and tensors"):
        torch_file.contents(tmp_path / "a.bin")


def test_files_of_old_versions_and_broken_ones_are_named(tmp_path):
    path = tmp_path / "a.bin"
    torch.save({"x": torch.ones(5)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"load and save a file of torch before 1\.6 again"):
        torch_file.contents(path)
    torch.save({"x": torch.ones(5000)}, path)
    contents, whole = torch_file.contents(path), path.read_bytes()
    damaged = bytearray(whole)
    damaged[whole.index(np.ones(5000, np.float32).tobytes()) + 100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"a\.bin: x: broken \(Bad CRC-32"):
        torch_file.arrays(path, contents)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"is not a ZIP archive as written by torch\.save"):
        torch_file.contents(path)


def rewritten(source, target, **entries):
    """A copy of an archive with other entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, entries.get(name.partition("/")[2].replace("/", "_"), old.read(name)))
    return target


def pickled(opcodes):
    """The pickle of {"x": a tensor}, after which `opcodes` change its state (`BUILD`)."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x08tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
    return b"\x80\x02}X\x01\0\0\0x" + tensor + b"K\0K\x08\x85K\x01\x85\x89}tR" + opcodes + b"s."


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"dtype": "O"}, "the name, shape or place of a tensor is not valid"),
        ({"strides": ()}, "the name, shape or place of a tensor is not valid"),
        ({"shape": (8.0,)}, "the name, shape or place of a tensor is not valid"),
        ({"offset": -1}, "the name, shape or place of a tensor is not valid"),
        ({"storage": "9"}, r"x: broken: it lacks the entry data/9"),
    ],
)
def test_what_a_pickle_puts_into_a_tensor_is_checked(tmp_path, state, message):
    torch.save({"x": torch.ones(8)}, tmp_path / "a.bin")
    plain = rewritten(tmp_path / "a.bin", tmp_path / "plain.bin", **{"data.pkl": pickled(b"")})
    assert torch_file.arrays(plain, torch_file.contents(plain))["x"].tolist() == [1] * 8
    build = pickle.dumps(state, 2)[2:-1] + b"b"
    path = rewritten(tmp_path / "a.bin", tmp_path / "b.bin", **{"data.pkl": pickled(build)})
    with pytest.raises(InputError, match=message):
        torch_file.arrays(path, torch_file.contents(path))


def test_any_damaged_byte_gives_a_message_or_the_same_numbers(tmp_path):
    path = tmp_path / "a.bin"
    torch.save({"x": torch.ones(8)}, path)
    whole, draws = path.read_bytes(), np.random.Generator(np.random.PCG64(0))
    refused = 0
    for place, value in zip(draws.integers(0, len(whole), 300).tolist(), draws.bytes(300), strict=True):
        path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
        try:
            found = torch_file.arrays(path, torch_file.contents(path))
        except InputError:
            refused += 1
        else:
            assert list(found) == ["x"] and found["x"].tolist() == [1] * 8
    assert refused > 50


def test_elements_outside_of_the_file_and_other_byte_orders_are_refused(tmp_path):
    torch.save({"x": torch.ones(8)}, tmp_path / "a.bin")
    short = rewritten(tmp_path / "a.bin", tmp_path / "short.bin", data_0=np.ones(7, np.float32).tobytes())
    with pytest.raises(InputError, match=r"x: is broken: its elements lie outside the 7 that are stored"):
        torch_file.arrays(short, torch_file.contents(short))
    other = rewritten(tmp_path / "a.bin", tmp_path / "big.bin", byteorder=b"big")
    with pytest.raises(InputError, match="its numbers are big-endian"):
        torch_file.contents(other)
    for garbage in (b"", b"\x80\x02}q\x00.", pickle.dumps(("storage",)), b"\x80\x02Q."):
        path = rewritten(tmp_path / "a.bin", tmp_path / "c.bin", **{"data.pkl": garbage})
        if garbage.startswith(b"\x80\x02}"):
            assert torch_file.contents(path) == {}
        else:
            with pytest.raises(InputError, match=r"c\.bin: "):
                torch_file.contents(path)
