"""`python3 -m totals`: starts, drains on SIGTERM and SIGINT. Leaves with 0 after a drain, with 1 when it fails."""

import logging
import os
import secrets
import signal
import sys
import threading

from .consumer import Deliveries
from .handler import Rates
from .manager import Manager, Registrar, Registration
from .settings import Settings, SettingsError, load_settings
from .store import Store
from .surface import Surface

log = logging.getLogger("totals")


def main() -> int:
    """Wires everything; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        for problem in error.problems:
            log.critical(problem)
        return 1
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    try:
        run(settings, stopping)
    except Exception:
        # Nothing is committed that is not settled: whoever is started next goes on from there.
        log.critical("ended by an unexpected error", exc_info=True)
        return 1
    log.info("drained")
    return 0


def run(settings: Settings, stopping: threading.Event) -> None:
    """Works until `stopping` is set."""
    store, rates = Store(settings.database), Rates(settings.rates_url)
    manager = Manager(settings.manager_url, settings.manager_token)
    surface = Surface(settings.port, store, rates)
    registered = threading.Event()

    def on_registered(_answer: Registration) -> None:
        # A plugin that lost its database gets back what teams had set; older versions change nothing.
        for item in manager.settings_in_force():
            known = store.settings_head(item["team"])
            if known is None or known["version"] < item["version"]:
                store.save_settings(item["team"], item["version"], "applied", item["settings"], [])
        registered.set()

    url = settings.plugin_url or f"http://127.0.0.1:{surface.server_address[1]}"
    registrar = Registrar(manager, url, f"i-{secrets.token_hex(8)}", on_registered)
    surface.registrar = registrar
    surface.start()
    registrar.start()
    try:
        while not (registered.wait(0.2) or stopping.is_set()):
            pass
        if registrar.registration is not None and not stopping.is_set():
            topics = registrar.registration.topics
            consumer = Deliveries(settings, topics, store, manager, rates)
            log.info("consuming %s and its other lanes", topics["live"])
            consumer.run(stopping)
    finally:
        registrar.stop()
        surface.shutdown()


if __name__ == "__main__":
    sys.exit(main())
