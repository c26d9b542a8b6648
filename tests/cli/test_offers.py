"""`offers evaluate` on logs whose truth is known."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bandits.offers.decide import Choice, OfferDecision, decide_offers, same_again
from pipeline.bandits.offers.estimate import evaluate
from pipeline.bandits.offers.reward import fold_models
from pipeline.cli.app import build_app
from pipeline.core.errors import DataNotTrustedError
from pipeline.runs.offer_log import ReadLog, evaluation_log

DATA = Path(__file__).resolve().parents[3] / "shared/data"
HEAD = "date,person,segment,action,propensity,reward,consent\n"


def write(path: Path, rates: dict[str, tuple[float, float]], people: int) -> Path:
    """Write a log in which actions a and b earn 1 at the segments' rates, shown 70 to 30."""
    rng = np.random.default_rng(5)
    rows = [HEAD]
    for segment, rate in rates.items():
        for index in range(people):
            action = int(rng.random() < 0.3)
            reward = int(rng.random() < rate[action])
            rows.append(
                f"2026-03-01,{segment}{index},{segment},{'ab'[action]},{(0.7, 0.3)[action]},"
                f"{reward},true\n"
            )
    path.write_text("".join(rows))
    return path


def decided(read: ReadLog) -> OfferDecision:
    return decide_offers(read.log, same_again(read.log), np.random.default_rng(1))


@pytest.mark.parametrize(
    ("rates", "choice"),
    [
        ({"new": (0.1, 0.1), "old": (0.1, 0.1)}, Choice.KEEP),
        ({"new": (0.1, 0.2), "old": (0.1, 0.2)}, Choice.ONE_FOR_ALL),
        ({"new": (0.1, 0.3), "old": (0.3, 0.1)}, Choice.PERSONAL),
    ],
)
def test_names_what_is_truly_better(
    tmp_path: Path, rates: dict[str, tuple[float, float]], choice: Choice
) -> None:
    assert decided(evaluation_log(write(tmp_path / "log.csv", rates, 4000))).choice is choice


@pytest.mark.parametrize("reward", [0, 1, 2.5])
@pytest.mark.parametrize("others", [0, 1])
def test_a_log_that_says_next_to_nothing_keeps_what_is_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reward: float, others: int
) -> None:
    """The first weeks: every reward the same, or all but one, so that folds learn from equals."""
    path = write(tmp_path / "log.csv", {"new": (0.0, 0.0), "old": (0.0, 0.0)}, 1500)
    head, *rows = path.read_text().splitlines()
    rows = [row.replace(",0,true", f",{reward},true") for row in rows]
    rows[:others] = [row.replace(f",{reward},true", ",7,true") for row in rows[:others]]
    path.write_text("\n".join([head, *rows]) + "\n")
    build_app()(args=["offers", "evaluate", str(path)], standalone_mode=False)
    assert "3,000 decisions" in capsys.readouterr().out
    found = decided(evaluation_log(path))
    assert found.choice is Choice.KEEP
    assert found.shares is None
    assert found.current.robust.value == pytest.approx(
        reward + others * (7 - reward) / 3000, rel=0.01
    )


def test_estimators_find_the_value_of_another_policy(tmp_path: Path) -> None:
    rates = {"new": (0.1, 0.3), "old": (0.3, 0.1)}
    log = evaluation_log(write(tmp_path / "log.csv", rates, 10_000)).log
    always_b = np.zeros((5, 2, 2))
    always_b[:, :, 1] = 1.0
    found = evaluate(log, fold_models(log), always_b)
    for each in (found.robust, found.normalised, found.weighted, found.direct):
        assert each.value == pytest.approx(0.2, abs=0.02)


def test_a_thin_log_is_refused(tmp_path: Path) -> None:
    decision = decided(evaluation_log(write(tmp_path / "log.csv", {"new": (0.1, 0.9)}, 60)))
    assert decision.choice is Choice.KEEP
    assert all(candidate.refusals for candidate in decision.candidates)


def test_withdrawn_consent_removes_every_row_of_the_person(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", {"new": (0.1, 0.2)}, 300)
    before = evaluation_log(path).log.total
    path.write_text(path.read_text() + "2026-03-02,new7,new,a,0.7,0,false\n")
    read = evaluation_log(path)
    assert read.log.total == before - 1
    assert read.without_consent == 2


def test_rows_that_are_left_out_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "log.csv", {"new": (0.1, 0.2)}, 2000)
    path.write_text(path.read_text() + "2026-03-02,new7,new,a,0.7,0,agreed\n")
    build_app()(args=["offers", "evaluate", str(path)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "1,999 decisions; 2 left out without consent" in shown
    assert "row 2002, column consent: 'agreed' is neither true nor false" in shown


@pytest.mark.parametrize("row", ["2026-03-01,u,s,a,0,1,true", "2026-03-01,u,s,a,x,1,true"])
def test_a_row_that_cannot_be_believed_is_named(tmp_path: Path, row: str) -> None:
    (tmp_path / "log.csv").write_text(HEAD + row + "\n")
    with pytest.raises(
        DataNotTrustedError, match=r"row 2, column propensity: .[0x]. is not a probability"
    ):
        evaluation_log(tmp_path / "log.csv")


def test_small_segments_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "log.csv", {"large": (0.1, 0.3)}, 4000)
    small = write(tmp_path / "small.csv", {"tiny": (0.1, 0.3)}, 20).read_text()
    path.write_text(path.read_text() + small.removeprefix(HEAD))
    build_app()(args=["offers", "evaluate", str(path)], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "large: a" in shown
    assert "tiny" not in shown
    assert "1 segments of fewer than 50 people" in shown


def test_hillstrom_finds_that_mail_earns_more_visits(tmp_path: Path) -> None:
    path = DATA / "offer_hillstrom_email/hillstrom_train.parquet"
    if not path.exists():
        pytest.skip("the Hillstrom data is not here")
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["row_id", "segment", "visit", "womens"]).to_pylist()
    rows = (
        f"2008-03-20,{r['row_id']},womens {r['womens']},{r['segment']},"
        f"{1 / 3!r},{r['visit']},true\n"
        for r in table
    )
    (tmp_path / "log.csv").write_text(HEAD + "".join(rows))
    decision = decided(evaluation_log(tmp_path / "log.csv"))
    assert decision.choice in {Choice.ONE_FOR_ALL, Choice.PERSONAL}
    rate = {
        name: np.mean([r["visit"] for r in table if r["segment"] == name])
        for name in {r["segment"] for r in table}
    }
    best = decision.candidates[0].value.robust
    assert abs(best.value - max(rate.values())) < 0.02
    assert best.value > np.mean(list(rate.values()))
