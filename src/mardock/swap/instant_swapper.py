"""InstantSwapper: workers swap in saved code themselves at their next call; any other change is a new version."""

from __future__ import annotations

import time
from typing import Optional

from mardock.causes import failures, words
from mardock.errors import MardockError, ServingError, WorkerFailedError
from mardock.serving.sweep import remove_folders
from mardock.side_names import Kind
from mardock.swap import directory, instant
from mardock.swap.directory import Directory
from mardock.swap.events import Refused, Said, Swapped
from mardock.swap.instant import Reloaded, Reports
from mardock.swap.snapshot import Snapshot
from mardock.swap.swapper import Swapper, audience_of

_PATIENCE_S = 3.0
_LOOK_S = 0.005


class InstantSwapper(Swapper):
    """Serves through the reloading handler.

    Beside the served folder it keeps a plain one of the last state that worked, to leave that served at the end.
    """

    _good: Optional[Directory] = None
    _candidate: Optional[Directory] = None
    _reports: Optional[Reports] = None
    _told = ""

    def swap(self, snapshot: Snapshot, changed: tuple[str, ...], at: float) -> None:
        """Have code reloaded that the workers see for themselves, and serve any other change as a new version.

        Raises:
            ConfigError, ArchiveError, ServingError: it cannot be served; what served before still does.
            SupersededError: something newer was saved meanwhile.
        """
        plain = self.lay_out(snapshot)
        try:
            directory.check_code(plain, self.project.root)
            if self._workers_see(snapshot):
                self._reload(plain, changed, at)
            else:
                self._renew(plain, changed, at)
        except BaseException:
            self._candidate = None
            if plain is not self._good:
                plain.remove()
            raise

    @property
    def good(self) -> Optional[Snapshot]:
        """The last state that worked; None before the first."""
        return self._good.snapshot if self._good else None

    def listen(self) -> None:
        """Take in what workers reported of their own accord."""
        for report in self._reports.take() if self._reports else ():
            if report.error is None:
                self.report(Said(f"worker {report.worker} serves revision {report.revision}"))
                self._keep(report)
            elif report.digest != self._told:
                self._told = report.digest
                self.report(Refused(self._refusal(report), self._serving()))

    def finish(self) -> None:
        """Serve the last state that worked in its plain form, and leave nothing else behind."""
        self.listen()
        if self._good is not None and self.connected:
            self.changes.forget()
            try:
                self.put_in_place(self._good, (), time.monotonic())
            except MardockError as error:
                self.report(Refused(error, self._serving()))
        super().finish()
        if self.served is not None:
            remove_folders(self.model, [self.served.snapshot.settings.archive.version], {self.served.path.name})

    def _renew(self, plain: Directory, changed: tuple[str, ...], at: float) -> None:
        engine = self.engine
        addition = instant.addition(plain.snapshot, self.project.root, engine)
        made = self.lay_out(plain.snapshot, Kind.INSTANT, addition)
        reports = Reports(engine, plain.snapshot.settings.archive.model_name, made.version, self.changes.wake)
        try:
            self.put_in_place(made, changed, at)
        except BaseException:
            if self.served is not made:
                made.remove()
            raise
        finally:
            if self.served is made:  # an interruption of what comes after that does not undo it
                self._reports, self._candidate = reports, plain
                self._promote_candidate()

    def _workers_see(self, snapshot: Snapshot) -> bool:
        if self.served is None or self._good is None:
            return False
        before = self.served.snapshot
        changed = snapshot.changed_since(before)
        return instant.takes(changed, snapshot, before, self.engine)

    def _reload(self, plain: Directory, changed: tuple[str, ...], at: float) -> None:
        """Have a worker try the code by sending it the sample; without a sample the next call does."""
        assert self.served is not None
        self.listen()
        if self._candidate is not None:
            self._candidate.remove()
        self._candidate = plain
        requests = self.probe(plain.snapshot)
        if not requests.samples:
            self.report(Said("saved: each worker loads it at its next call"))
            return
        failure: Optional[ServingError] = None
        answer = None
        timeout = plain.snapshot.settings.serving.response_timeout
        try:
            answer = self.model.probed(requests, None, timeout, self.changes.pending)
        except ServingError as error:
            failure = error
        seconds = time.monotonic() - at
        report = self._await(self._digest(plain))
        if report is not None and report.error is not None:
            self._told = report.digest
            raise self._refusal(report)
        if failure is not None:
            raise failure
        if report is not None:
            self._keep(report)
            self.report(Swapped(f"{self._serving()}, revision {report.revision}", changed, seconds, answer))
        self.model.mark()

    def _await(self, digest: str) -> Optional[Reloaded]:
        """Wait for a worker's word about a state of the code; None when there is none, for it had that state before."""
        assert self._reports is not None
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            for report in self._reports.take():
                if report.digest == digest:
                    return report
            time.sleep(_LOOK_S)
        return None

    def _keep(self, report: Reloaded) -> None:
        if self._candidate is not None and report.digest == self._digest(self._candidate):
            self._promote_candidate()

    def _promote_candidate(self) -> None:
        before, self._good, self._candidate = self._good, self._candidate, None
        if before is not None:
            before.remove()  # last: an interruption before it leaves the folder to the sweep at the end

    def _digest(self, plain: Directory) -> str:
        return instant.digest_of(plain, self.engine)

    def _serving(self) -> Optional[str]:
        return self.title(self.served) if self.served else None

    def _refusal(self, report: Reloaded) -> WorkerFailedError:
        assert self.served is not None
        settings = self.served.snapshot.settings
        audience = audience_of(settings, self.project)
        cause = failures.of_traceback(report.error or "", audience)
        what = f"model {settings.archive.model_name}: the new code cannot be loaded"
        message, details, hint = words.failed(what, cause, audience)
        return WorkerFailedError(message, details=details, hint=hint)
