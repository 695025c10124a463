-- For the district's database administrator: what Data Factory reads from SQL Server, and as whom.
-- Needed only where this source is used; run again, it renews the view and leaves the user.
--
--     read -rs PASSWORD && export PASSWORD
--     sqlcmd -S SERVER -d responses -i infra/first_time/06_sql_server_source.sql
--
-- The password comes from the environment, never from the command line. Put the names of your own table to
-- the right of each AS; what you do not have stays NULL.
SET NOCOUNT ON;
GO
CREATE OR ALTER VIEW dbo.deepkt_responses AS
SELECT
    CAST(a.student AS nvarchar(200)) AS student_id,
    CAST(a.question AS nvarchar(200)) AS item_id,
    CAST(a.is_right AS int) AS correct,
    CAST(NULL AS float) AS score,
    CAST(a.skills AS nvarchar(1000)) AS skill_ids,
    CAST(NULL AS nvarchar(2000)) AS skill_names,
    -- as text, in UTC and with its zone, so that nothing on the way can shift it
    CONVERT(varchar(33), a.answered_utc, 127) + 'Z' AS answered_at,
    CAST(NULL AS bigint) AS response_order,
    CAST(a.milliseconds AS bigint) AS latency_ms,
    CAST(a.attempts AS int) AS attempt_count,
    CAST(a.hints AS int) AS hint_count,
    CAST(NULL AS nvarchar(50)) AS first_action,
    CAST(NULL AS nvarchar(100)) AS item_type,
    CAST(NULL AS nvarchar(200)) AS assignment_id,
    CAST(a.class AS nvarchar(200)) AS class_id,
    CAST(NULL AS nvarchar(2000)) AS answer,
    CAST(NULL AS nvarchar(200)) AS student_group,
    -- when the row was written, in UTC: it decides on which day the row is landed, so it needs an index
    CAST(a.written_utc AS datetime2(3)) AS recorded_at
FROM dbo.answers AS a;
GO
IF SUSER_ID(N'deepkt_reader') IS NULL
    CREATE LOGIN deepkt_reader WITH PASSWORD = N'$(PASSWORD)';
GO
IF USER_ID(N'deepkt_reader') IS NULL
    CREATE USER deepkt_reader FOR LOGIN deepkt_reader;
GRANT SELECT ON dbo.deepkt_responses TO deepkt_reader;
GO
-- the check: what it may read, and the newest row
EXECUTE AS USER = N'deepkt_reader';
SELECT COUNT(*) AS responses, MAX(recorded_at) AS newest FROM dbo.deepkt_responses;
REVERT;
GO
