-- ambiguous_key: several rows of one day and line that differ in numbers and in nothing that would
-- make them parts of a sum. Adding them may count money twice, choosing one would be a guess.
-- Reads: stg_spend, stg_outcomes. Level: fail.
-- Advice: keep the newest row of each day and line, or name the part in a text column
with

spend_keys as (
    select
        min(file) as file,
        max(row) as row,
        count(*) as rows,
        day,
        [line_1, line_2, line_3, line_4] as names
    from stg_spend
    where day is not null and not is_repeat
    group by day, line_1, line_2, line_3, line_4, dimensions
    having count(*) > 1
),

outcome_keys as (
    select
        min(file) as file,
        max(row) as row,
        count(*) as rows,
        day,
        [line_1, line_2, line_3, line_4] as names
    from stg_outcomes
    where day is not null and not is_repeat
    group by day, line_1, line_2, line_3, line_4, dimensions, metric
    having count(*) > 1
),

keys as (
    select 'spend' as source, file, row, rows, day, names from spend_keys
    union distinct
    select 'outcomes' as source, file, row, rows, day, names from outcome_keys
)

select
    source,
    file,
    row,
    'line' as "column",
    day::text
    || ' '
    || array_to_string(list_filter(names, lambda name: name <> ''), ' / ') as value,
    'has ' || rows || ' rows that differ' as problem
from keys
order by source, file, row
