"""The causes that are known: what Python, torch or TorchServe said, and the mend it leads to."""

from __future__ import annotations

import pytest

from mardock.causes import sentences
from mardock.causes.remedies import Fix, Remedy, remedy_for
from mardock.errors import Reason

ENVELOPE = "raised in /opt/venv/lib/python3.11/site-packages/ts/torch_handler/request_envelope/json.py"


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("RuntimeError: operator torchvision::nms does not exist", "another torch"),
        (
            "RuntimeError: output with shape [1, 224, 224] doesn't match the broadcast shape [3, 224, 224]",
            "image.convert('RGB')",
        ),
        (
            "RuntimeError: Given groups=1, weight of size [32, 1, 3, 3], expected input[1, 3, 28, 28] to have 1"
            " channels, but got 3 channels instead",
            "takes images of 1 channels and got 3",
        ),
        (
            'RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "fc.weight".\n'
            '\tUnexpected key(s) in state_dict: "epoch", "state_dict". ',
            "holds the state dict under 'state_dict'",
        ),
        (
            'RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "fc.weight".\n'
            '\tUnexpected key(s) in state_dict: "module.fc.weight", "module.fc.bias". ',
            "name.removeprefix('module.')",
        ),
        (
            "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
            "torch.load(…, map_location='cpu')",
        ),
        ("AssertionError: Torch not compiled with CUDA enabled", "torch.cuda.is_available()"),
        (
            "RuntimeError: selected index k out of range\nraised in /x/torch_handler/image_classifier.py\n"
            "called by /x/site-packages/ts/torch_handler/image_classifier.py in postprocess",
            "topk = N",
        ),
        (
            "RuntimeError: The size of tensor a (4) must match the size of tensor b (3) at non-singleton dimension 0\n"
            "raised in /x/torchvision/transforms/_functional_tensor.py",
            "RGBA, or CMYK",
        ),
        (
            "RuntimeError: The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0\n"
            "raised in /x/torchvision/transforms/_functional_tensor.py",
            "mode LA or PA",
        ),
        (
            "TypeError: Input tensor should be a float tensor. Got torch.int16.\n"
            "raised in /x/torchvision/transforms/_functional_tensor.py",
            "16 bits (mode I;16)",
        ),
        (
            "TypeError: 'NoneType' object is not iterable\nraised in /m/handler.py\n"
            "called by /x/site-packages/ts/model_loader.py in <lambda>",
            "once with None for the data",
        ),
        ("RuntimeError: Could not infer dtype of dict", 'send {"instances": [[…]]} as application/json'),
        (f"KeyError: 'instances'\n{ENVELOPE}", 'a request is {"instances": […]}'),
        (f"TypeError: list indices must be integers or slices, not str\n{ENVELOPE}", "service_envelope=json"),
        (
            "RuntimeError: unable to write to file </torch_12_34_0>: No space left on device (28)",
            "MARDOCK_SHM_SIZE=8gb",
        ),
        (
            "RuntimeError: DataLoader worker (pid 12) is killed by signal: Bus error. It is possible that dataloader's"
            " workers are out of shared memory. Please try to raise your shared memory limit.",
            "MARDOCK_SHM_SIZE=8gb",
        ),
        ("OSError: [Errno 28] No space left on device: '/tmp/x'", "free some space"),
        ("OSError: [Errno 122] Disk quota exceeded", "free some space"),
        ("ModuleNotFoundError: No module named 'cv2.gapi'", "add cv2 to the model's requirements_file"),
        (
            "ModuleNotFoundError: No module named 'mylib.net'",
            'one of your own belongs in code: code = ["path/to/mylib"]',
        ),
        (
            "ImportError: attempted relative import with no known parent package\n\n"
            "ModuleNotFoundError: No module named 'ts.torch_handler.handler'",
            'code = ["path/to/package"] serves it as package.handler',
        ),
    ],
)
def test_a_known_cause_has_its_mend(said: str, mend: str) -> None:
    found = remedy_for(said)
    assert found is not None
    assert mend in sentences.remedy(found)


@pytest.mark.parametrize(
    "said",
    [
        "TypeError: list indices must be integers or slices, not str",
        "KeyError: 'instances'",
        "TypeError: 'NoneType' object is not iterable",
        "RuntimeError: selected index k out of range",
        "RuntimeError: The size of tensor a (4) must match the size of tensor b (3) at non-singleton dimension 0",
    ],
)
def test_what_may_have_any_cause_has_none(said: str) -> None:
    assert remedy_for(said) is None


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        (Reason.NOT_LOADED, Fix.RAISE_STARTUP_TIMEOUT),
        (Reason.NOT_ANSWERED, Fix.RAISE_RESPONSE_TIMEOUT),
        (Reason.KILLED, Fix.SPARE_MEMORY),
    ],
)
def test_what_a_process_ended_of_has_its_remedy_whatever_it_said(reason: Reason, fix: Fix) -> None:
    assert remedy_for("KeyError: 'x'", reason) == Remedy(fix)


def test_every_fix_has_words() -> None:
    about = dict.fromkeys(("module", "file", "wanted", "given", "key", "prefix"), "it")
    assert all(sentences.remedy(Remedy(fix, about)) for fix in Fix)
