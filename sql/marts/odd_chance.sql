-- odd_chance: days, segments and eligible actions whose logged probabilities cannot be one draw's,
-- because they add up to more than 1, or to less although every eligible action was seen.
-- Reads: decision_chance (rows of every file). An action counts from ten decisions on. Where one
-- was drawn with several probabilities, people of the segment were told apart, and nothing is said.
-- Rounding is forgiven: half a hundredth for every action, and a hundredth.
with

actions as (
    select
        day,
        segment,
        eligible,
        action,
        min(lowest) as lowest,
        max(highest) as highest,
        sum(decisions) as decisions
    from decision_chance
    group by day, segment, eligible, action
),

contexts as (
    select
        day,
        segment,
        eligible,
        len(list_distinct(string_split(eligible, '|'))) as actions,
        count(*) filter (where decisions >= 10) as seen,
        sum(lowest) filter (where decisions >= 10) as total,
        bool_and(highest - lowest < 1e-6) as is_one_draw
    from actions
    group by day, segment, eligible
)

select
    day,
    segment,
    eligible,
    total
from contexts
where
    is_one_draw
    and (
        total > 1.01 + 0.005 * actions
        or (seen = actions and total < 0.99 - 0.005 * actions)
    )
