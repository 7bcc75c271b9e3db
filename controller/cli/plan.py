"""`hotspare plan`: says what a configuration will do, before it does it."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rich.console import Console

from controller.cli import output
from controller.cli.arguments import (
    add_config,
    add_jobs,
    add_json,
    count,
    load_settings,
    reported_per_s,
    requests_per_s,
    warn_about_backgrounds,
)
from controller.cli.layout import TextTable, plain_table
from controller.cli.output import seconds_or_minutes
from controller.plan.promise_checks import QUARTER_DAYS, stranded_warnings
from controller.plan.runner import ThresholdTimeoutError, find_thresholds, plan
from controller.plan.trials import AssumedTraffic
from controller.routing.operator_requests import RefusedError
from monitor.budget.allocation import format_usd
from monitor.config.settings import Settings
from monitor.config.traffic_settings import TrafficSettings
from monitor.detection.notices import longer_blips
from monitor.formatting import format_duration, format_elapsed, plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `plan`."""
    add_config(parser)
    text = "how many outages of each kind to try (default: what takes some seconds, at most 250)"
    parser.add_argument("--seeds", type=count, metavar="N", help=text)
    text = "requests a second of each route that applications report (default: of the last day, with `traffic`)"
    parser.add_argument("--traffic", type=requests_per_s, metavar="RATE", help=text)
    text = "the hosts that report them (default: 1)"
    parser.add_argument("--hosts", type=count, metavar="H", help=text)
    add_jobs(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan; 1 when the configuration cannot keep a promise."""
    settings = load_settings(args.config, keys=False, stores=False, warns=True)
    learned_blips = warn_about_backgrounds(settings)
    rate = reported_per_s(settings) if args.traffic is None else args.traffic
    if args.hosts and not rate:
        raise RefusedError("plan --hosts: no requests are reported; say how many, with --traffic RATE")
    traffic = AssumedTraffic(requests_per_s=rate, hosts=args.hosts or 1) if rate else None
    if traffic and not settings.traffic:
        settings = replace(settings, traffic=TrafficSettings())
    try:
        document = plan_with_progress(
            settings, seeds=args.seeds, jobs=args.jobs, learned_blips=learned_blips, traffic=traffic
        )
    except ThresholdTimeoutError as error:
        output.print_error(f"no plan: {error}")
        return output.BAD_NEWS
    output.print_answer(args, document, print_plan, document, settings)
    return output.OK if document["keeps_promises"] else output.BAD_NEWS


def plan_with_progress(
    settings: Settings,
    *,
    seeds: int | None = None,
    jobs: int | None = None,
    learned_blips: Mapping[str, float] = MappingProxyType({}),
    traffic: AssumedTraffic | None = None,
) -> dict[str, Any]:
    """The plan, as of `controller.plan.runner`; progress on a terminal. Raises ThresholdTimeoutError."""
    find_thresholds(settings, timeout_s=30.0)
    with output.progress_bar("planning") as on_progress:
        return plan(
            settings,
            seeds=seeds,
            jobs=jobs,
            on_progress=on_progress,
            learned_blips=learned_blips,
            traffic=traffic,
        )


def print_verdict(document: dict[str, Any], console: Console) -> None:
    """Print what matters most: when routes move, and what it costs; the warnings on standard error."""
    for line in (*_verdicts(document), *_costs(document)):
        console.print(line, markup=False)
    output.warn(document["warnings"])


def print_plan(document: dict[str, Any], settings: Settings, console: Console) -> None:
    """Print the plan for people, and its warnings on standard error."""
    if any(route["outages"] for route in document["routes"]):
        _outages(document).print(console)
        console.print()
    _targets(document).print(console)
    console.print()
    known = [text for route in settings.routes for text in stranded_warnings(route)]
    for line in (
        *_verdicts(document),
        *known,
        *_costs(document),
        *_offers(document),
        *_small_print(document, listens=settings.traffic is not None),
    ):
        console.print(line, markup=False)
    if settings.controller.dry_run:
        console.print("controller.dry_run is true: all this is decided and reported, but no route moves", markup=False)
    output.warn(text for text in document["warnings"] if text not in known)


def _outages(document: dict[str, Any]) -> TextTable:
    table = plain_table("route", "outage", figures=("moved", "after, mean", "p95", "at worst"))
    for route in document["routes"]:
        for outage in route["outages"]:
            within_s, times = outage["mean_within_s"], outage["time_to_flip_s"]
            table.add(
                route["route"],
                f"{_what(outage)}{' alone' if outage['alone'] else ''}",
                f"{outage['flipped']} of {outage['runs']}",
                seconds_or_minutes(times["mean"]) + ("" if within_s is None else f" ± {seconds_or_minutes(within_s)}"),
                seconds_or_minutes(times["p95"]),
                seconds_or_minutes(times["max"]),
            )
    return table


def _targets(document: dict[str, Any]) -> TextTable:
    table = plain_table("target", figures=("interval", "probes a month", "$ a month"))
    for target in document["targets"]:
        usd, stretched_s = target["usd_per_month"], target["stretched_interval_s"]
        interval = format_duration(target["interval_s"])
        if stretched_s > target["interval_s"]:
            interval += f" → {format_duration(round(stretched_s, 1))} by the budget"
        probed_s = target["probed_interval_s"]
        if probed_s != stretched_s:
            interval += f" → {format_duration(round(probed_s, 1))} {'in use' if probed_s < stretched_s else 'waiting'}"
        table.add(
            target["target"],
            interval,
            f"{target['probes_per_month']:,}",
            "price unknown" if usd is None else _money(usd),
        )
    return table


def _verdicts(document: dict[str, Any]) -> Iterator[str]:
    """One sentence for each route that can be moved."""
    for route in document["routes"]:
        half = next((outage for outage in route["outages"] if outage["failure_rate"] == 0.5), None)
        if half is None or half["time_to_flip_s"]["mean"] is None:
            continue
        times = half["time_to_flip_s"]
        text = (
            f"a {_what(half)} moves `{route['route']}` after {format_elapsed(round(times['mean']))} on average,"
            f" {format_elapsed(round(times['p95']))} at worst in 19 of 20"
        )
        false = route["false_failovers"]
        if false and false["days_each"] is not None:
            text += f"; expect one false failover in {_days(false['days_each'])}"
        yield text


def _costs(document: dict[str, Any]) -> Iterator[str]:
    probes = f"{document['probes_per_month']:,} probes a month"
    unknown = document["price_unknown"]
    if document["usd_per_month"] is None:
        yield f"{probes}, at prices that are not known"
    else:
        less = f", without {plural(len(unknown), 'target')} whose price is not known" if unknown else ""
        yield f"{_money(document['usd_per_month'])} a month for {probes}{less}"
    if document["budget"] is not None and all(target["stretch"] <= 1 for target in document["targets"]):
        yield f"the budget of {format_usd(document['budget_usd_per_month'])} a month pays for the configured intervals"


def _offers(document: dict[str, Any]) -> Iterator[str]:
    """One sentence for each sentinel that would cost no more."""
    for offer in document["sentinel_offers"]:
        times = offer["time_to_flip_s"]
        if times["mean"] is not None:
            yield (
                f"with `sentinel: {offer['sentinel']}`, a 50 % outage of {offer['provider']} would move routes after"
                f" {format_elapsed(round(times['mean']))} on average, {format_elapsed(round(times['p95']))} at worst in"
                f" 19 of 20, for {_money(offer['usd_per_month'])} a month in place of"
                f" {_money(offer['usd_per_month_without'])} (bursts aside)"
            )


def _small_print(document: dict[str, Any], *, listens: bool) -> Iterator[str]:
    """What the figures rest on."""
    assumed = document["assumptions"]
    blips = assumed["blips"]
    shortest, longest = (format_duration(end) for end in blips["length_s"])
    yield (
        f"assumed: {assumed['background_failure_rate'] * 100:g} % of quiet probes fail,"
        f" {blips['per_day']:g} blips a day of {shortest} to {longest}, outages answer HTTP 500 at once;"
        f" {plural(document['seeds'], 'trial')} of each"
    )
    if assumed["traffic"]:
        rate, hosts = f"{assumed['traffic']['requests_per_s']:g}", plural(assumed["traffic"]["hosts"], "host")
        yield f"{rate} requests a second of each route are reported, by {hosts}, for half of each error budget"
    elif listens:
        yield "no reports are assumed, for none are known: see --traffic; half of each error budget is theirs"
    false = [route["false_failovers"] for route in document["routes"] if route["false_failovers"]]
    if false:
        count, days = (sum(each["simulated"][what] for each in false) for what in ("count", "days"))
        expected = sum(each["per_90d"] * each["simulated"]["days"] for each in false) / QUARTER_DAYS
        yield (
            f"false failovers are calculated, as a bound that takes answers to be slow; {plural(count, 'move')} without"
            f" an outage came in {_days(days)} of routes in quiet simulation, where {expected:.2g} were to be expected"
        )
    learned = {target["target"]: target["learned_blip_s"] for target in document["targets"]}
    for name, learned_s in learned.items():
        if learned_s:
            yield f"{longer_blips(name, learned_s)}, so that its outages move routes later than this says"
    if document["models_alone_not_tried"]:
        yield f"not tried: {plural(document['models_alone_not_tried'], 'other model')} failing alone"


def _what(outage: Mapping[str, Any]) -> str:
    return f"{outage['failure_rate'] * 100:.3g} % outage of {outage['of']}"


def _days(days: float) -> str:
    if days > 3650:
        return "more than ten years"
    return f"{days:,.0f} days" if days >= 9.5 else f"{days:.1f} days"


def _money(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 0.005 or usd == 0 else "less than $0.01"
