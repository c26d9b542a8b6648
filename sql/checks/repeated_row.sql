-- repeated_row: rows that are equal to an earlier one in every cell; they are counted once.
-- Reads: spend, outcomes. Level: fail where the repeated part of a column's total is material or no
-- text column tells rows of one day and line apart, else review.
-- Advice: write each row once
with

spend_repeats as (
    select
        'spend' as source,
        file,
        row,
        'spend' as "column",
        spend as value,
        dimensions,
        coalesce(plain_number(spend), 0) as amount,
        row_number() over (partition by raw order by file, row) as nth
    from spend
),

outcome_repeats as (
    select
        'outcomes' as source,
        file,
        row,
        metric as "column",
        value,
        dimensions,
        coalesce(plain_number(value), 0) as amount,
        row_number() over (partition by raw, metric order by file, row) as nth
    from outcomes
),

cells as (
    select * from spend_repeats
    union all
    select * from outcome_repeats
),

totals as (
    select
        source,
        "column",
        sum(amount) filter (nth > 1) / nullif(sum(amount), 0) as repeated_share,
        max(dimensions) as widest
    from cells
    group by source, "column"
)

select
    cells.source,
    cells.file,
    cells.row,
    cells."column",
    cells.value,
    'repeats an earlier row' as problem,
    case
        when totals.widest = '' or totals.repeated_share > 0.001 then 'fail' else 'review'
    end as level
from cells
inner join totals on cells.source = totals.source and cells."column" = totals."column"
where cells.nth > 1
order by cells.source, cells.file, cells.row, cells."column"
