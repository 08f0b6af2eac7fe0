"""Whatever stands in the files, reading them ends in values or in InvalidConfiguration with findings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from settings.conftest import CONFIG, Place
from settings.test_desired import KINDS

from replctl.core.errors import Finding, InvalidConfiguration
from replctl.settings import parse_replications

WORDS = re.findall(
    r"\S+",
    """
backends west east k8s kind powerstore trident url username password file env credential command tls
ca_file verify timeouts connect read max_concurrency clock_margin kubeconfig context in_cluster
policies snapshot_class ontap retry max_attempts jitter breaker daemon interval replications state_dir
namespace name state mode rpo group order labels local peer backend volume session mirror hooks
before_demote timeout source replica k8s-west https://w 5s 0s
""",
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=30,
)


def dumped(value: Any) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True))


def judged(read: Any, *arguments: Any, **named: Any) -> None:
    findings: Sequence[Finding] = [Finding("nowhere", "nothing wrong", "anything")]
    try:
        read(*arguments, **named)
    except InvalidConfiguration as error:
        findings = error.findings
    assert findings
    assert all(finding.place and finding.value and finding.allowed for finding in findings)


@given(st.dictionaries(st.sampled_from(WORDS), anything, max_size=6) | anything)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_configuration(place: Place, value: Any) -> None:
    judged(place.load, dumped(value), mode=0o600)


@given(st.dictionaries(st.sampled_from(WORDS), anything, max_size=6))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_backend(place: Place, value: dict[str, Any]) -> None:
    document = yaml.safe_load(CONFIG)
    for backend in document["backends"].values():
        backend.update(value)
    judged(place.load, dumped(document), mode=0o600)


@given(st.lists(st.dictionaries(st.sampled_from(WORDS), anything, max_size=8) | anything, max_size=4))
def test_any_desired_state(value: list[Any]) -> None:
    judged(parse_replications, dumped({"replications": value}), Path("r.yaml"), KINDS)


@given(st.text(max_size=60) | st.text(alphabet="abc:-[]{}&*!|>'\"#%@`\n\t ,?~<5", max_size=60))
def test_any_text(text: str) -> None:
    judged(parse_replications, text, Path("r.yaml"), KINDS)


names = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(lambda words: "__".join(words).upper())
texts = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(st.dictionaries(names, texts | st.sampled_from(["{}", "[]", "null", "5", '{"a": 1}', '{"file": 1}'])))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_environment(place: Place, variables: dict[str, str]) -> None:
    place.environ = {f"REPLCTL_{name}": value for name, value in variables.items()}
    judged(place.load)
