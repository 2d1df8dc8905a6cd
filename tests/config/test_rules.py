"""Rules of the built-in judge as operators write them, in the configuration and in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_trace_exporter.config import effective_yaml, load_config, load_rules, parse_config
from llm_trace_exporter.config.judge_settings import RuleSettings, SampleSettings
from llm_trace_exporter.errors import ConfigError

RULE = "rules: [{name: polite, question: Polite}]\n"


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [line.replace(f"{path.parent}/", "") for line in caught.value.problems]


def test_rules_of_the_file_come_after_those_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "rules.yml").write_text(
        "rules:\n- {name: b, question: B, sample: [{where: ['team=\"x\"']}, {rate: 0.5}]}\n"
    )
    config = tmp_path / "c.yml"
    config.write_text(
        "judge:\n  rules_file: more/rules.yml\n  rules: [{name: a, question: A}]\n"
        "  endpoint: {api_key_file: key}\n"
    )
    settings = load_config(config)
    samples = (SampleSettings(('team="x"',)), SampleSettings(rate=0.5))
    assert settings.judge.rules == (
        RuleSettings("a", "A"),
        RuleSettings("b", "B", sample=samples),
    )
    assert settings.judge.endpoint.api_key_file == str(tmp_path / "key")
    assert parse_config(effective_yaml(settings), "effective.yml") == settings


def test_every_problem_of_a_rules_file_is_told_with_its_line(tmp_path: Path) -> None:
    rules = tmp_path / "r.yml"
    rules.write_text("""\
rules:
  - name: a
    question: fine?
    inputs: [answer, thoughts]
  - name: a
    question: ""
    inputs: [answer]
    requires: [answer, documents]
    where: ['colour="red"', 'model=~"("', model=gpt]
    sample:
      - where: ['feature!~"x.*"']
        rate: 2
        per_minute: 0
      - where: ['tenant="x"']
  - question: and the name?
""")
    config = tmp_path / "c.yml"
    config.write_text("judge: {rules_file: r.yml}")
    labels = "service, environment, provider, model, operation, feature, team, prompt_name, " + (
        "prompt_version"
    )
    matcher = 'a matcher such as feature="refunds"'
    assert problems_of(config) == [
        'r.yml:4: rules[0].inputs[1]: found "thoughts"; allowed: user, answer, system, documents, '
        "tool_results",
        "r.yml:5: rules[1].name: found this name again, first in rules[0]; allowed: each name once",
        'r.yml:6: rules[1].question: found ""; allowed: a question of at most 4000 characters',
        'r.yml:8: rules[1].requires[1]: found "documents"; allowed: what it sees: answer',
        'r.yml:9: rules[1].where[2]: found "model=gpt"; allowed: a matcher such as '
        'feature="refunds" or model=~"gpt-4.*"',
        f'r.yml:9: rules[1].where[0]: found the label "colour"; allowed: {labels}',
        f"r.yml:9: rules[1].where[1]: found not a regular expression; allowed: {matcher}",
        "r.yml:12: rules[1].sample[0].rate: found the number 2; allowed: a number from 0 to 1",
        "r.yml:13: rules[1].sample[0].per_minute: found the number 0; allowed: a number from 1 to "
        "10000",
        f'r.yml:14: rules[1].sample[1].where[0]: found the label "tenant"; allowed: {labels}',
        "r.yml:15: rules[2].name: found nothing; allowed: letters, digits, _, - and ., at most "
        "100 of them, a letter first",
    ]


def test_own_dimensions_can_be_matched(tmp_path: Path) -> None:
    rules = tmp_path / "r.yml"
    rules.write_text("rules: [{name: a, question: Q, where: ['tenant=\"x\"']}]")
    config = tmp_path / "c.yml"
    config.write_text(
        "judge: {rules_file: r.yml}\ndimensions: [{label: tenant, keys: [app.tenant]}]"
    )
    assert load_config(config).judge.rules[0].where == ('tenant="x"',)
    with pytest.raises(ConfigError):
        load_rules(rules, ["feature"])


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", "r.yml:1: rules: found nothing; allowed: a list of rules"),
        ("rules: 5", "r.yml:1: rules: found the number 5; allowed: a list of rules"),
        (RULE + "extra: 1", "r.yml:2: extra: found an unknown key; allowed: rules"),
        (RULE, "r.yml:1: rules[0].name: found this name again, first in c.yml, judge.rules"),
    ],
)
def test_what_a_rules_file_may_hold(tmp_path: Path, rules: str, expected: str) -> None:
    (tmp_path / "r.yml").write_text(rules)
    config = tmp_path / "c.yml"
    config.write_text("judge: {rules_file: r.yml, rules: [{name: polite, question: Q}]}")
    told = problems_of(config)[-1]
    assert told.startswith(expected)


def test_a_rules_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    config.write_text("judge: {rules_file: r.yml}")
    assert problems_of(config) == ["r.yml: cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("{url: 'http://x/v1'}", "judge.endpoint.model: found no model"),
        ("{headers: {Authorization: x}}", "headers.Authorization: found a header with a secret"),
        ("{headers: {Api-Key: x}}", "headers.Api-Key: found a header with a secret"),
        ("{headers: {host: x}}", "headers.host: found a header of the client's own"),
        ("{model: m, url: 'http://me:secret@x/'}", "judge.endpoint.url: found"),
        ("{model: m, url: 'ftp://x/'}", "judge.endpoint.url: found"),
        ('{headers: {x: "a\\r\\nb"}}', "judge.endpoint.headers.x: found"),
    ],
)
def test_endpoints_that_cannot_be_used(tmp_path: Path, endpoint: str, told: str) -> None:
    config = tmp_path / "c.yml"
    config.write_text(f"judge:\n  endpoint: {endpoint}\n")
    (line,) = problems_of(config)
    assert told in line


def test_the_judge_is_off_by_default() -> None:
    settings = load_config(None).judge
    assert not settings.endpoint.url and not settings.rules
