-- similar_name: budget lines whose names differ only in case or spaces; they may be one line, of
-- which each source or each export has another spelling. Reads: stg_spend, night. Level: review.
-- Advice: write the line in one way, or leave it if it is two
with

names as (
    select distinct
        line_1,
        line_2,
        line_3,
        line_4
    from stg_spend
    cross join night
    where stg_spend.day between night.first_day and night.last_day
),

keyed as (
    select
        *,
        array_to_string(
            list_filter([line_1, line_2, line_3, line_4], lambda name: name <> ''), ' / '
        ) as label,
        bare_name(concat_ws('/', line_1, line_2, line_3, line_4)) as bare
    from names
),

alike as (
    select bare from keyed
    group by bare
    having count(*) > 1
)

select
    'spend' as source,
    min(stg_spend.file) as file,
    min(stg_spend.row) as row,
    'line' as "column",
    keyed.label as value,
    'is spelt almost like another line' as problem
from keyed
inner join stg_spend using (line_1, line_2, line_3, line_4)
inner join alike on keyed.bare = alike.bare
group by keyed.label
order by row
