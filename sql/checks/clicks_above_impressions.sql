-- clicks_above_impressions: days and lines with more clicks than times shown.
-- Reads: stg_spend. Level: review.
-- Advice: ask the platform; if all rows are like this, two columns may have changed places
select
    'spend' as source,
    file,
    row,
    'clicks' as "column",
    clicks_cell as value,
    'is above the ' || impressions_cell || ' impressions' as problem
from stg_spend
where clicks > impressions
order by file, row
