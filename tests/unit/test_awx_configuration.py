# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX's job template, held against what its survey's variables are: options of the role `workload`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION

CHECKOUT = Path(__file__).resolve().parents[2]
# AWX's types of questions, by the type of an option that takes their answers.
QUESTIONS = {
    "str": {"text", "textarea", "multiplechoice"},
    "int": {"integer"},
    "list": {"multiselect"},
}
NEEDED = {"question_name", "question_description", "variable", "type", "required"}


def load(path: str) -> Any:
    """Read a file as Ansible does: it knows `!unsafe`."""
    return DataLoader().load_from_file(str(CHECKOUT / path))


CONFIGURATION = load("docs/awx-configuration.yml")
(TEMPLATE,) = CONFIGURATION["controller_templates"]
SPECS = yaml.safe_load((CHECKOUT / "roles/workload/meta/argument_specs.yml").read_text())
OPTIONS = SPECS["argument_specs"]["main"]["options"]
SURVEY = {each["variable"]: each for each in TEMPLATE["survey_spec"]["spec"]}


def test_the_job_template_names_what_is_there() -> None:
    assert (CHECKOUT / TEMPLATE["playbook"]).is_file()
    assert TEMPLATE["project"] in [each["name"] for each in CONFIGURATION["controller_projects"]]
    environments = [each["name"] for each in CONFIGURATION["controller_execution_environments"]]
    assert TEMPLATE["execution_environment"] in environments


def test_each_variable_is_asked_for_once() -> None:
    assert len(SURVEY) == len(TEMPLATE["survey_spec"]["spec"])
    assert set(SURVEY) <= set(OPTIONS)


@pytest.mark.parametrize("variable", list(SURVEY))
def test_a_question_asks_for_what_its_option_takes(variable: str) -> None:
    question, option = SURVEY[variable], OPTIONS[variable]
    assert set(question) >= NEEDED
    assert question["type"] in QUESTIONS[option["type"]]
    assert question.get("choices", []) == option.get("choices", [])
    assert question.get("default") == option.get("default")
    assert question["required"] is ("default" in option)


def test_no_secret_is_asked_for() -> None:
    """AWX keeps the answers of a survey with each job; credentials are for secrets."""
    assert [name for name in SURVEY if "password" in name or "token" in name] == []


def test_the_credential_sets_what_the_modules_read() -> None:
    (kind,) = CONFIGURATION["controller_credential_types"]
    read = {each["fallback"][1][0] for each in CONNECTION.options.values() if "fallback" in each}
    fields = {each["id"] for each in kind["inputs"]["fields"]}
    assert set(kind["injectors"]["env"]) <= read
    assert {each.strip("{ }") for each in kind["injectors"]["env"].values()} == fields
