"""Who may sign, as the settings name them: one account is one person, and no two look alike."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from pipeline.core.likeness import likeness
from pipeline.core.settings import Name, Strict


class Person(Strict):
    """Somebody who may sign; with a login, only from that operating-system account."""

    name: Name
    login: Name | None = None


class People(Strict):
    """Who may approve plans, and who caps. A bare name is a person without a login."""

    analysts: tuple[Person, ...] = ()
    finance: tuple[Person, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            role: [{"name": item} if isinstance(item, str) else item for item in people]
            if isinstance(people, list | tuple)
            else people
            for role, people in data.items()
        }

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for role in ("analysts", "finance"):
            names = [person.name for person in getattr(self, role)]
            if len(names) != len(set(names)):
                raise ValueError(f"people.{role}: a name is given twice")
        everybody = (*self.analysts, *self.finance)
        logins = {person.name: person.login for person in everybody}
        owners = {person.login: person.name for person in everybody}
        likenesses = {likeness(person.name): person.name for person in everybody}
        for person in everybody:
            if logins[person.name] != person.login:
                raise ValueError(f"people: {person.name!r} has two different logins")
            if person.login is not None and owners[person.login] != person.name:
                raise ValueError(
                    f"people: the login {person.login!r} belongs to {person.name!r} and to "
                    f"{owners[person.login]!r}; one account is one person"
                )
            if (twin := likenesses[likeness(person.name)]) != person.name:
                raise ValueError(
                    f"people: {person.name!a} and {twin!a} look alike, one of them "
                    "would be taken for the other"
                )
        return self
