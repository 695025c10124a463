"""An action log to events and sequences in DuckDB: `duckdb_log.py FOLDER TARGET SETTINGS`.

FOLDER holds the files of the EDM Cup 2023, TARGET is where events.parquet and sequences.parquet go.
SETTINGS are JSON: length and context of a window, threads, memory as DuckDB writes it. Prints
counts as JSON.
"""

import json
import sys
from pathlib import Path

import duckdb

_EVENTS = """
CREATE TABLE details AS
SELECT assignment_log_id, min_by({{'student_id': student_id, 'class_id': class_id,
    'closed': coalesce(assignment_end_time, assignment_start_time)}}, line) AS assignment
FROM (SELECT *, row_number() OVER () AS line FROM read_csv('{folder}/assignment_details*.csv',
      types = {{'assignment_end_time': 'DOUBLE', 'assignment_start_time': 'DOUBLE'}}))
GROUP BY assignment_log_id;

CREATE TABLE problems AS
SELECT problem_id, min_by(problem_skill_code, line) AS skill
FROM (SELECT *, row_number() OVER () AS line FROM read_csv('{folder}/problem_details*.csv'))
GROUP BY problem_id;

CREATE TABLE actions AS
SELECT assignment_log_id, problem_id, "timestamp" AS t, action
FROM read_csv('{folder}/action_logs*.csv', all_varchar = false, types = {{'timestamp': 'DOUBLE',
    'hint_id': 'VARCHAR', 'explanation_id': 'VARCHAR'}})
WHERE problem_id IS NOT NULL;

CREATE TABLE firsts AS
SELECT assignment_log_id, problem_id,
    min(t) FILTER (action IN ('correct_response', 'wrong_response')) AS first_t,
    count(*) FILTER (action IN ('correct_response', 'wrong_response')) AS attempt_count
FROM actions GROUP BY ALL;

CREATE TABLE practice AS
SELECT assignment_log_id, problem_id, any_value(first_t) AS first_t,
    any_value(attempt_count) AS attempt_count,
    min(t) FILTER (kind IS NOT NULL) AS opening_t, min_by(kind, t) AS first_action,
    bool_or(action = 'correct_response') FILTER (t = first_t) AS correct,
    max(t) FILTER (action = 'problem_started' AND before) AS started,
    count(*) FILTER (action = 'hint_requested' AND before) AS hint_count,
    bool_or(action = 'answer_requested' AND before) AS answer_requested,
    bool_or(action = 'answer_requested' AND NOT before) AS answer_requested_later,
    bool_or(action = 'explanation_requested' AND before) AS explanation_requested
FROM (
    SELECT *, first_t IS NULL OR t < first_t AS before,
        CASE WHEN action IN ('correct_response', 'wrong_response', 'open_response') THEN 'attempt'
             WHEN action = 'hint_requested' THEN 'hint'
             WHEN action = 'answer_requested' THEN 'answer'
             WHEN action = 'explanation_requested' THEN 'explanation' END AS kind
    FROM actions JOIN firsts USING (assignment_log_id, problem_id))
GROUP BY assignment_log_id, problem_id HAVING opening_t IS NOT NULL;

CREATE TABLE tests AS
SELECT s.assignment_log_id, s.problem_id, s.score, s.line, r.practice
FROM (SELECT assignment_log_id, problem_id, score, row_number() OVER (PARTITION BY filename) AS line
      FROM read_csv('{folder}/*_unit_test_scores*.csv', union_by_name = true, filename = true,
          types = {{'score': 'DOUBLE'}})) s
LEFT JOIN (
    SELECT unit_test_assignment_log_id AS assignment_log_id,
        list_sort(list(DISTINCT in_unit_assignment_log_id)) AS practice
    FROM read_csv('{folder}/assignment_relationships*.csv') GROUP BY ALL) r
USING (assignment_log_id);

CREATE TABLE students AS
SELECT student_id, 'student-' || uuid() AS student_key
FROM (SELECT DISTINCT assignment.student_id FROM details);

CREATE TABLE events AS
WITH responses AS (
    SELECT assignment_log_id, problem_id, coalesce(first_t, opening_t) AS t, correct,
        correct::INT::DOUBLE AS score, attempt_count, first_action, hint_count, answer_requested,
        answer_requested_later, explanation_requested,
        CASE WHEN first_t > started THEN round((first_t - started) * 1000)::BIGINT END
            AS latency_ms,
        'practice' AS event_kind, []::VARCHAR[] AS practice, NULL::BIGINT AS line
    FROM practice
    UNION ALL BY NAME
    SELECT assignment_log_id, problem_id, score, line, 'assessment' AS event_kind, practice,
        CASE WHEN score IN (0, 1) THEN score = 1 END AS correct
    FROM tests),
identified AS (
    SELECT r.* EXCLUDE t, coalesce(t, assignment.closed) AS t, student_key,
        'class-' || left(sha256('edm_cup:' || assignment.class_id), 16) AS class_key,
        CASE WHEN skill IS NOT NULL THEN ['edm_cup:' || skill] ELSE [] END AS skill_ids,
        'edm_cup:' || problem_id AS item_id
    FROM responses r JOIN details USING (assignment_log_id)
    JOIN students s ON s.student_id = assignment.student_id
    LEFT JOIN problems USING (problem_id)),
hashed AS (
    SELECT *, sha256(to_json([student_key, item_id, assignment_log_id, t::VARCHAR, event_kind]))
        AS event_id
    FROM identified)
SELECT *, row_number() OVER (PARTITION BY student_key ORDER BY t, line, item_id) AS sequence_number
FROM hashed
QUALIFY row_number() OVER (PARTITION BY event_id) = 1;
COPY events TO '{target}/events.parquet' (COMPRESSION zstd);
"""

_SEQUENCES = """
CREATE TABLE items AS
SELECT item_id, row_number() OVER (ORDER BY item_id) AS item_index
FROM (SELECT DISTINCT item_id FROM events);
CREATE TABLE skills AS
SELECT skill_id, row_number() OVER (ORDER BY skill_id) AS skill_index
FROM (SELECT DISTINCT unnest(skill_ids) AS skill_id FROM events);
CREATE TABLE sequences AS
WITH placed AS (
    SELECT e.*, item_index, skill_index,
        row_number() OVER (PARTITION BY student_key ORDER BY sequence_number) - 1 AS place,
        count(*) OVER (PARTITION BY student_key) AS n
    FROM events e JOIN items USING (item_id) LEFT JOIN skills ON skill_id = skill_ids[1]
    WHERE correct IS NOT NULL),
cut AS (
    SELECT *, unnest(generate_series(
        greatest(0, ceil((place - {length} + 1) / {stride}))::INT,
        least(place // {stride}, ceil(greatest(n - {length}, 0) / {stride}))::INT)) AS window_index
    FROM placed)
SELECT student_key, window_index, CASE WHEN window_index = 0 THEN 0 ELSE {context} END
        AS context_length,
    list(event_id ORDER BY place) AS event_ids, list(sequence_number ORDER BY place) AS numbers,
    list(item_index ORDER BY place) AS item_indexes,
    list(CASE WHEN skill_index IS NULL THEN [] ELSE [skill_index] END ORDER BY place) AS skills,
    list(correct::INT ORDER BY place) AS correct, list(latency_ms ORDER BY place) AS latency_ms,
    list(hint_count ORDER BY place) AS hint_counts,
    list(attempt_count ORDER BY place) AS attempt_counts,
    list(first_action ORDER BY place) AS first_actions, list(t ORDER BY place) AS answered_at
FROM cut GROUP BY student_key, window_index;
COPY sequences TO '{target}/sequences.parquet' (COMPRESSION zstd);
"""

_COUNTS = """
SELECT (SELECT count(*) FROM events), (SELECT count(*) FILTER (correct) FROM events),
    (SELECT count(correct) FROM events), (SELECT sum(len(event_ids)) FROM sequences)
"""


def main() -> None:
    """Run the script and print what came out."""
    folder, target, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    limits = {"threads": settings["threads"], "memory_limit": settings["memory"]}
    database = duckdb.connect(config=limits)
    stride = settings["length"] - settings["context"]
    names = {"folder": folder, "target": target, "stride": stride, **settings}
    database.execute(_EVENTS.format(**names))
    database.execute(_SEQUENCES.format(**names))
    found = database.execute(_COUNTS).fetchone()
    print(json.dumps(dict(zip(("events", "correct", "graded", "positions"), found, strict=True))))


if __name__ == "__main__":
    main()
