"""What is wrong with a deployment that failed its rehearsal: one sentence with file and line, and what mends it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from mardock.causes import sentences
from mardock.causes.audience import Audience
from mardock.causes.cause import Cause
from mardock.causes.remedies import Fix
from mardock.client.refusals import INVALID_KEY
from mardock.deploy.rehearsal.contract import Contract, Limit
from mardock.deploy.rehearsal.places import Place
from mardock.deploy.rehearsal.prober import Answer, Probe
from mardock.engines import config_properties
from mardock.errors import ApiError, ConfigError, DeployError, MardockError

_LOG_LINES = 20
_MARGIN = 1.5  # a cloud's machine may load slower than this one


def archive_too_large(limit: Limit, path: Path, size: float) -> DeployError:
    """The archive weighs more than the limit; both in MB."""
    return DeployError(
        f"{limit.place}: {path.name} weighs {size:.3g} MB, and {limit.name} allows {limit.value:g} MB",
        hint=f"see what makes it heavy (mardock inspect {path}), or take a larger disk and raise {limit.name}",
    )


def ended(contract: Contract, code: int, log: Sequence[str]) -> DeployError:
    """The container ended by itself."""
    place = contract.start_place
    end = f"the container of {contract.image} ended with code {code} instead of serving"
    try:
        config_properties.check(config_properties.parse(contract.config), contract.environment, name=place.path)
    except ConfigError as error:
        if contract.sources.config is not None:
            return DeployError(f"{error.message}, and {end}", details=_tail(log), hint=error.hint)
    return DeployError(
        f"{place}: {end}",
        details=_tail(log),
        hint=f"its last lines are above; mend what they name in {place.path}",
    )


def loopback_only(contract: Contract) -> DeployError:
    """TorchServe answers within the container alone."""
    place = contract.setting_place("inference_address")
    return DeployError(
        f"{place}: TorchServe listens on 127.0.0.1 of its container, where neither probes nor requests reach it",
        hint=f"write {_spelled(contract, place, 'inference_address', f'http://0.0.0.0:{contract.port}')}",
    )


def probe_refused(contract: Contract, probe: Probe, answer: Answer) -> DeployError:
    """The probe's path is answered with a status that will not change."""
    so = f"the {probe.kind} probe never succeeds"
    if answer.status == 400 and INVALID_KEY in answer.text:
        place = contract.setting_place("disable_token_authorization")
        return DeployError(
            f"{place}: TorchServe asks for its token, so {probe.path} answers 400 and {so}",
            hint="the cloud asks callers for a token of its own: turn TorchServe's off, write"
            f" {_spelled(contract, place, 'disable_token_authorization', 'true', flag='--disable-token-auth')}",
        )
    return DeployError(
        f"{contract.start_place}: port {contract.port} answers {probe.path} with {answer.status}, so {so}",
        details=answer.text or None,
        hint=f"let TorchServe's Inference API listen on port {contract.port}",
    )


def probe_failed(contract: Contract, probe: Probe, answer: Optional[Answer], log: Sequence[str]) -> DeployError:
    """A probe failed as often as its threshold grants."""
    end = "the container is restarted, again and again" if probe.kind == "liveness" else "it never gets a request"
    said = (answer.text if answer.status is None else f"it answers {answer.status}") if answer else "it was not asked"
    return DeployError(
        f"{contract.probe_place(probe, 'failure_threshold')}: GET {probe.path} failed {probe.failure_threshold} times"
        f" within {probe.window:g} s, so {end}: {said}",
        details=_tail(log),
        hint=f"read the container's log above; if it only needs longer, raise failure_threshold under"
        f" {probe.kind}_probe",
    )


def wrong_name(contract: Contract, served: Optional[Sequence[str]] = None) -> DeployError:
    """TorchServe serves no model of the name that is in the cloud's route; what it serves, when that is known."""
    place = contract.setting_place("load_models", r"--models?\b")
    found = "has no such model" if served is None else f"serves {', '.join(served) or 'no model'}"
    return DeployError(
        f"{place}: requests go to /predictions/{contract.model}, and TorchServe {found}",
        hint=f"load the archive as {contract.model}: --models {contract.model}=NAME.mar",
    )


def too_early(contract: Contract, ready: float, loaded: float) -> DeployError:
    """The cloud sends requests before the model is loaded; seconds after the container's start."""
    probe, limit = contract.readiness, contract.request_timeout
    return DeployError(
        f"{contract.probe_place(probe, 'initial_delay')}: the readiness probe is over before the model is loaded:"
        f" Ready after {ready:.1f} s, loaded after {loaded:.1f} s, and a request is given {limit.value:g} s"
        f" ({limit.name}, {limit.place})",
        hint=f"{probe.path} answers before the model is loaded, so let the probe begin later:"
        f" initial_delay: {math.ceil(loaded * _MARGIN)} under {probe.kind}_probe",
    )


def never_loaded(contract: Contract, seconds: float, log: Sequence[str]) -> DeployError:
    """No worker became READY, and none was seen to die."""
    place = contract.setting_place("default_startup_timeout")
    return DeployError(
        f"{place}: {contract.model} is not loaded {seconds:.0f} s after TorchServe began to listen",
        details=_tail(log),
        hint="look for what blocks in initialize(): mardock try",
    )


def handler_failed(
    contract: Contract, cause: Cause, log: Sequence[str], audience: Audience, error: Optional[MardockError] = None
) -> DeployError:
    """The handler could not be loaded, or with `error` raised on the sample."""
    doing = "the sample cannot be predicted" if error else "the model cannot be loaded"
    if not cause.exception:
        reason = error.message if error else "its worker died"
        return DeployError(
            f"{contract.model}: {doing}: {reason}", details=_tail(log), hint="run it without a server: mardock try"
        )
    if cause.remedy and cause.remedy.fix is Fix.ADD_PACKAGE:
        return _missing_package(contract, cause.remedy.about["module"], cause)
    where = f"{sentences.place(cause.user_call)}: " if cause.user_call else ""
    return DeployError(
        f"{where}{doing}: {sentences.first_line(cause)}",
        details=sentences.details(cause),
        hint=sentences.hint(cause, audience) or sentences.then("mend it", audience),
    )


def too_slow(contract: Contract) -> DeployError:
    """The sample was not answered within the time the cloud grants."""
    limit = contract.request_timeout
    return DeployError(
        f"{limit.place}: the sample is not answered within {limit.value:g} s, the {limit.name}",
        hint=f"make the handler faster, or raise {limit.name}",
    )


def refused(contract: Contract, error: ApiError) -> Optional[DeployError]:
    """What an error status means that tells of the configuration or the sample, not of a failing handler."""
    if error.status == 404:
        return wrong_name(contract)
    if error.status in (400, 415):
        return DeployError(
            f"{contract.model}: its handler refuses the sample: {error.message}", hint="predict another: --data FILE"
        )
    if error.status == 413:
        return DeployError(
            f"{contract.setting_place('max_request_size')}: the sample is larger than TorchServe's max_request_size",
            hint="raise max_request_size (bytes; 6553500 unless set)",
        )
    return None


def _missing_package(contract: Contract, module: str, cause: Cause) -> DeployError:
    place, edit = contract.sources.packages
    return DeployError(
        f"{place}: the handler needs {module}, which the image {contract.image} does not have",
        details=sentences.details(cause),
        hint=f"{edit.format(module=module)}; one of your own belongs in code of mardock.toml",
    )


def _spelled(contract: Contract, place: Place, key: str, value: str, *, flag: str = "") -> str:
    """Return a key of config.properties as it is written where it is set."""
    if place.path == contract.sources.spec.as_posix():
        return f"TS_{key.upper()}: '{value}'"
    return flag if flag and contract.sources.dockerfile is not None else f"{key}={value}"


def _tail(log: Sequence[str]) -> Optional[str]:
    return "\n".join(log[-_LOG_LINES:]) or None
