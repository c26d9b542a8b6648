-- customer_context: how many people may get which actions, one row per segment and set of actions.
-- Reads: person_action. What the night decides on, with no person in it.
select
    segment,
    allowed,
    count(*) as people,
    count(*) filter (where is_resting) as resting
from person_action
group by segment, allowed
order by segment, allowed
