"""Keeps the routing file as it should be: writes it on changes and as a heartbeat, restores it, reports failures."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.routing import override_text, routing_file
from controller.routing.decision import Decision, apply_dry_run
from controller.routing.overrides import NO_OVERRIDES, Overrides
from controller.routing.published_state import PublishedState
from controller.routing.routing_file import RoutingFile, RoutingFileError
from controller.routing.unjournalled import LARGEST_GENERATION
from monitor.config.settings import Settings
from monitor.detection.detector import Detector
from monitor.formatting import instant
from monitor.storage.database import DatabaseError
from monitor.storage.store import Store
from monitor.traffic.answer_times import AnswerTimes
from probes import pricing
from probes.target import ProviderKey

log = logging.getLogger(__name__)

#: How long a reader may rely on the file; it is rewritten at least every third of this.
VALID_FOR_S = 90.0


class RoutingPublisher:
    """Publishes the routing file. Not thread-safe."""

    def __init__(
        self, settings: Settings, file: RoutingFile, store: Store, reported: Mapping[str, AnswerTimes]
    ) -> None:
        """`reported`: how long answers take by what applications report, by target; it changes meanwhile."""
        self._settings = settings
        self._file = file
        self._store = store
        self._reported = reported
        self._started_at: datetime | None = None
        self._table: dict[str, Any] = {}
        """As it was published last."""
        self.share: Callable[[Mapping[str, Any]], None] = lambda _: None
        """Is handed each published table; raises DatabaseError where it is to be tried again."""
        self._key_variables: dict[str, str] = {}
        """That of the key that works, by provider."""
        self.changed = True
        """What the file says has changed: the next `publish` writes it."""
        self._published_at: datetime | None = None
        self._published_overrides = NO_OVERRIDES
        """Those that the reasons in the file name."""
        self._shown: dict[str, str] = {}
        """The target of each route in the last file that could be written."""
        self._file_generation = 0
        """Of that file; in a dry run it stays behind, because what is decided is not published."""
        self.generation = 0
        """The highest one decided or published."""
        self.epoch = 0
        """Of those who decide together, which the file never goes below; 0: there never were any. A leader sets its."""
        self.error: str | None = None
        """Why the file cannot be written, as a sentence; None while it can."""

    def resume(self, published: PublishedState, decided_generation: int, now: datetime) -> None:
        """Go on from the file of the last service and the highest generation that was decided.

        Where several have decided together a service that decides alone goes above their epoch: others may have a later
        file of it. A leader has a higher one already.
        """
        if self.epoch <= published.epoch:
            self.epoch = published.epoch and min(published.epoch + 1, LARGEST_GENERATION)
        self._file_generation = self._file.read_generation()
        self.generation = max(self.generation, decided_generation, self._file_generation)
        self._shown = self._file.read_targets() if self._settings.controller.dry_run else {}
        self._key_variables = dict(published.key_variables)
        self._started_at = now

    def use_key(self, provider: str, key: ProviderKey) -> None:
        """Point applications at this key from the next `publish` on."""
        self._key_variables[provider] = key.variable or ""
        self.changed = True

    def reconfigure(self, settings: Settings) -> None:
        """Write the file by other settings, at the next call of `publish`."""
        self._settings, self.changed = settings, True

    def published_routes(self, decided: Mapping[str, Decision]) -> Mapping[str, Decision]:
        """The routes as the file is to show them: as decided, or in a dry run as configured."""
        if not self._settings.controller.dry_run or self._started_at is None:
            return decided
        return apply_dry_run(self._settings, decided, self._started_at)

    def unpublished_moves(self, routes: Mapping[str, Decision]) -> dict[str, str]:
        """The routes that the file does not show as they were decided, with the target that it shows."""
        if not self.error:
            return {}
        return {name: shown for name, shown in self._shown.items() if name in routes and routes[name].target != shown}

    def publish(self, routes: Mapping[str, Decision], detector: Detector, overrides: Overrides, now: datetime) -> None:
        """Write the file when something changed, when its heartbeat is due, or when somebody touched it.

        `routes` are as decided, the reasons in the file name the overrides, and `detector` knows the targets. That the
        file cannot be written is logged and recorded once; the next call tries again.
        """
        tampered = self._file.find_tampering()
        self.changed |= tampered is not None or self._heartbeat_due(now) or overrides != self._published_overrides
        if self.changed:
            self._try(lambda: self._write(routes, detector, overrides, now), tampered, now)

    def refresh(self, now: datetime) -> None:
        """Write the last table once more where its heartbeat is due or somebody touched it, whatever has changed."""
        tampered = self._file.find_tampering()
        if self._table and (tampered or self._heartbeat_due(now)):
            changed = self.changed
            self._try(lambda: self._publish({**self._table, "written_at": instant(now)}, now), tampered, now)
            self.changed = changed

    def _try(self, write: Callable[[], None], tampered: str | None, now: datetime) -> None:
        try:
            write()
        except RoutingFileError as error:
            if str(error) != self.error:
                self.error = str(error)
                log.error("routing_file_not_written: %s", error)
                self._store.add_event(now, "routing_file_not_written", str(self._settings.routing_file), self.error)
            return
        if tampered:
            log.warning("routing_file_restored: %s", tampered)
            self._store.add_event(now, "routing_file_restored", str(self._settings.routing_file), tampered)

    def _write(self, decided: Mapping[str, Decision], detector: Detector, overrides: Overrides, now: datetime) -> None:
        routes = self.published_routes(decided)
        shown = {name: state.target for name, state in routes.items()}
        generation = self._next_generation(shown)
        reasons = {name: override_text.route_reason(state, overrides) for name, state in routes.items()}
        table = routing_file.build_table(
            self._settings,
            {name: replace(state, reason=reasons[name]) for name, state in routes.items()},
            {target: state.health for target, state in detector.health.items()},
            generation=generation,
            epoch=self.epoch,
            written_at=now,
            valid_for_s=VALID_FOR_S,
            overrides=overrides,
            latency={target: detector.state_of(target).latency for target in detector.health},
            reported=self._reported,
            low_limits={
                target: state.low_limit
                for target, state in detector.health.items()
                if state.low_limit and state.low_limit.text(now)
            },
            key_variables=self._key_variables,
            contexts={target.id: pricing.context_tokens(target) for target in self._settings.targets},
        )
        self._publish(table, now)
        self._shown, self._file_generation, self._published_overrides = shown, generation, overrides
        self.changed = False
        try:
            self.share(table)
        except DatabaseError as error:
            log.warning("table_not_shared: %s", error)
            self.changed = True

    def _publish(self, table: dict[str, Any], now: datetime) -> None:
        self._file.publish(table)
        self._table, self._published_at, self.error = table, now, None

    def _next_generation(self, targets: Mapping[str, str]) -> int:
        """That of the last decision; in a dry run that of the file, unless the configured order itself has changed."""
        if not self._settings.controller.dry_run:
            return self.generation
        if targets == self._shown:
            return self._file_generation
        self.generation = max(self.generation, self._file_generation + 1)
        return self.generation

    def _heartbeat_due(self, now: datetime) -> bool:
        if self._published_at is None:
            return True
        # The clock may have been set back: a heartbeat in the future is due as well.
        return not 0 <= (now - self._published_at).total_seconds() < VALID_FOR_S / 3
