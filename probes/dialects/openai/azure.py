"""The `azure-openai` dialect: Chat Completions at a resource of Azure, whose deployments are named by its owner."""

import re
from dataclasses import replace
from urllib.parse import quote

from probes.checks import Task
from probes.dialects.base import HOST_ALONE, ConfigField, VendorStatusPage
from probes.dialects.openai import chat as openai_chat
from probes.dialects.presets import OPENAI
from probes.request_reply import Request
from probes.target import Target


def build_request(target: Target, task: Task) -> Request:
    """At the address of the deployment where the provider has an `api_version`, else at `/openai/v1`."""
    provider = target.provider
    method, body = openai_chat.method_and_body(target.model, task, OPENAI)
    path = f"v1/{method}"
    if provider.api_version is not None:
        deployment, version = quote(target.model, safe=""), quote(provider.api_version, safe="")
        path = f"deployments/{deployment}/{method}?api-version={version}"
    url = f"{provider.base_url}/openai/{path}"
    return Request(url=url, headers={"api-key": provider.api_key.reveal()}, body=body)


DIALECT = replace(
    openai_chat.DIALECT,
    name="azure-openai",
    default_base_url=None,
    base_url_rule=HOST_ALONE,
    config_fields=(
        ConfigField(
            name="api_version", pattern=re.compile(r"[0-9A-Za-z.-]{1,40}"), expected="a version such as 2024-10-21"
        ),
    ),
    status_page=VendorStatusPage(
        host=r"[a-z0-9.-]+\.(?:openai\.azure|services\.ai\.azure|cognitiveservices\.azure)\.com",
        url="https://rssfeed.azure.status.microsoft/en-us/status/feed/",
    ),
    price_list_id="azure",
    build_request=build_request,
    owner_names_models=True,
    request_id_headers=("apim-request-id", *openai_chat.REQUEST_ID_HEADERS),
)
