-- stg_experiments: lift tests with types, one row per source row, each number beside its cell.
-- Reads: experiments (the snapshot, all text). A cell that cannot be read is null here and named by
-- sql/checks. `all` as spend_change means all the money of the window; its number is null then.
select
    file,
    row,
    case when name = '' then file || ', row ' || row else name end as name,
    metric,
    currency,
    line_1,
    line_2,
    line_3,
    line_4,
    iso_day("from") as first_day,
    iso_day("to") as last_day,
    plain_number(lift) as lift,
    plain_number(standard_error) as standard_error,
    plain_number(spend_change) as spend_change,
    spend_change = 'all' as is_all_spend,
    "from" as from_cell,
    "to" as to_cell,
    lift as lift_cell,
    standard_error as standard_error_cell,
    spend_change as spend_change_cell
from experiments
