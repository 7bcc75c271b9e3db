"""Every key that a configuration may hold, section by section, and the keys that it may not hold yet."""

_PROBING = ("interval", "timeout", "slow", "checks")
_TIMEOUT = ("connect", "first_token", "total")

#: The keys of each section; `*` stands for a name of people's own choice.
KEYS: dict[str, tuple[str, ...]] = {
    "": (
        "database",
        "routing_file",
        "defaults",
        "providers",
        "routes",
        "controller",
        "alerts",
        "connectivity",
        "network",
        "retention",
        "budget",
    ),
    "defaults": _PROBING,
    "defaults.timeout": _TIMEOUT,
    "providers.*": ("dialect", "base_url", "api_key", "models"),
    "providers.*.models.*": _PROBING,
    "providers.*.models.*.timeout": _TIMEOUT,
    "routes.*": ("candidates", "fail_over_on"),
    "controller": ("detect", "false_failovers", "min_outage", "dwell", "failback", "blips", "dry_run"),
    "controller.failback": ("mode", "hold", "steps", "step"),
    "controller.blips": ("per_day", "length", "failure_rate"),
    "alerts": ("slack",),
    "alerts.slack": ("token", "channel", "api_url"),
    "connectivity": ("endpoints",),
    "network": ("proxy", "ca_bundle"),
    "retention": ("raw",),
    "budget": ("usd_per_month",),
}

#: Keys that people may expect to work, with what to do instead.
REFUSED = {
    "alerts.slack.webhook_url": "this version needs a bot token: it edits its message when an incident is resolved,"
    " which a webhook cannot do; write token and channel",
}
