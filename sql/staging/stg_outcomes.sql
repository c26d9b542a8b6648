-- stg_outcomes: outcomes with types, one row per source row and metric, number beside its cell.
-- Reads: outcomes (the snapshot, all text), control; only what is a control may be below zero. A
-- cell that cannot be read is null here and named by sql/checks. A row that repeats an earlier one
-- in every cell is marked; marts leave it out. Nothing was earned where nothing was sold, so an
-- empty cell of revenue beside 0 conversions is 0.
with

unsold as (
    select
        file,
        row
    from outcomes
    where metric = 'conversions' and plain_amount(value) = 0
)

select
    file,
    row,
    is_repeat,
    iso_day(day) as day,
    day as day_cell,
    line_1,
    line_2,
    line_3,
    line_4,
    dimensions,
    currency,
    metric,
    case
        when metric in (select control.metric from control) then plain_number(value)
        when metric = 'revenue' and value = '' and (file, row) in (select (file, row) from unsold)
            then 0
        else plain_amount(value)
    end as value,
    value as value_cell
from outcomes
