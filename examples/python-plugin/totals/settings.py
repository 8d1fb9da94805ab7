"""What the process is configured by: environment variables, all problems told at once."""

from collections.abc import Mapping
from dataclasses import dataclass

PLUGIN_ID = "totals"


class SettingsError(Exception):
    """The environment is not usable; one line per problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """Everything that is read from the environment."""

    port: int
    plugin_url: str | None
    manager_url: str
    manager_token: str
    kafka_brokers: str
    group_id: str
    deliveries_topic: str
    event_source: str
    database: str
    rates_url: str
    retry_delay_ms: int
    retry_delay_ms_max: int
    retry_attempts_max: int
    commit_every_ms: int
    session_timeout_ms: int


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Reads the settings. Empty text counts as wrong, never as the default. Raises SettingsError."""
    problems: list[str] = []

    def text(name: str, default: str | None = None) -> str:
        value = environment.get(name, default)
        if value is None or value == "":
            problems.append(f"{name} is required" if value is None else f"{name} must not be empty")
            return ""
        return value

    def whole(name: str, default: int, least: int) -> int:
        value = text(name, str(default))
        if not (value.isascii() and value.isdigit()) or len(value) > 9 or int(value) < least:
            problems.append(f"{name} must be a whole number of at least {least}, in at most 9 digits")
            return default
        return int(value)

    settings = Settings(
        port=whole("PORT", 4220, 0),
        plugin_url=text("PLUGIN_URL") if "PLUGIN_URL" in environment else None,
        manager_url=text("MANAGER_URL", "http://localhost:4000").rstrip("/"),
        manager_token=text("MANAGER_TOKEN"),
        kafka_brokers=text("KAFKA_BROKERS"),
        group_id=text("PLUGIN_GROUP_ID", f"plugboard.{PLUGIN_ID}"),
        deliveries_topic=text("DELIVERIES_TOPIC", "deliveries"),
        event_source=text("EVENT_SOURCE", "core"),
        database=text("TOTALS_DATABASE", "totals.sqlite3"),
        rates_url=text("TOTALS_RATES_URL").rstrip("/"),
        retry_delay_ms=whole("PLUGIN_RETRY_DELAY_MS", 2_000, 1),
        retry_delay_ms_max=whole("PLUGIN_RETRY_DELAY_MS_MAX", 3_600_000, 1),
        retry_attempts_max=whole("PLUGIN_RETRY_ATTEMPTS_MAX", 14, 1),
        commit_every_ms=whole("TOTALS_COMMIT_EVERY_MS", 1_000, 0),
        session_timeout_ms=whole("PLUGIN_SESSION_TIMEOUT_MS", 30_000, 6_000),
    )
    if problems:
        raise SettingsError(problems)
    return settings
