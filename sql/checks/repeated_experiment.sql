-- repeated_experiment: lift tests with the name, lines, days and metric of an earlier row: evidence
-- that would count twice. Rows without a name are one test; two studies of the same lines and days
-- have two names, and share what they say. Reads: stg_experiments. Level: fail.
-- Advice: keep one row for each test, and give every study a name of its own
select
    'experiments' as source,
    file,
    row,
    'from' as "column",
    from_cell as value,
    'repeats the lines, days and metric of an earlier test of that name' as problem
from stg_experiments
qualify
    row_number() over (
        partition by
            case when name = file || ', row ' || row then '' else name end,
            line_1, line_2, line_3, line_4, first_day, last_day, metric
        order by file, row
    ) > 1
order by file, row
