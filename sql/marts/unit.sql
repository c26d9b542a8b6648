-- unit: what outcomes are known by, numbered in order of name: every line, or the values of the
-- line columns that the settings name, or all lines as one.
-- Reads: line, night.
with

names as (
    select distinct
        case when night.by_1 then line.line_1 else '' end as line_1,
        case when night.by_2 then line.line_2 else '' end as line_2,
        case when night.by_3 then line.line_3 else '' end as line_3,
        case when night.by_4 then line.line_4 else '' end as line_4
    from line
    cross join night
)

select
    row_number() over (order by line_1, line_2, line_3, line_4) - 1 as unit_id,
    line_1,
    line_2,
    line_3,
    line_4
from names
order by unit_id
