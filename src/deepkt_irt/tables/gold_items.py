"""Gold contracts about items: calibrations, parameters and abilities, drift, health."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table
from deepkt_irt.tables.gold import STUDENT

_PERSONAL = Privacy.PERSONAL
_CALIBRATED_AT = Column("calibrated_at", "timestamp", "as-of instant of the run, UTC")

CALIBRATIONS = Table(
    layer=Layer.GOLD,
    name="calibrations",
    comment="One row per calibration version: how it went, and how it was put on the old scale.",
    columns=(
        Column("calibration_version", "string", "sorts by time; joins gold.item_parameters"),
        Column("n_students", "bigint", "students with a first attempt that counts"),
        Column("n_items", "bigint", "items calibrated"),
        Column("n_responses", "bigint", "first attempts used"),
        Column("n_rapid", "bigint", "first attempts left out as rapid guesses"),
        Column("iterations", "int", "EM steps until nothing moved by more than the tolerance"),
        Column("log_likelihood", "double", "marginal, of the data under the estimates", unit="nat"),
        Column("reliability", "double", "empirical reliability of the abilities, 0 to 1"),
        Column("population_mean", "double", "mean ability on the linked scale", unit="logit"),
        Column("population_sd", "double", "SD of ability on the linked scale", unit="logit"),
        Column("reference_version", "string", "whose scale this is; null: its own", nullable=True),
        Column("link_method", "string", "stocking_lord, mean_sigma, mean_mean, fixed or none"),
        Column("link_slope", "double", "A of theta_linked = A theta + B"),
        Column("link_slope_se", "double", "its standard error; null if unlinked", nullable=True),
        Column("link_intercept", "double", "B of theta_linked = A theta + B", unit="logit"),
        Column(
            "link_intercept_se", "double", "its standard error; null if unlinked", nullable=True
        ),
        Column("link_refusal", "string", "why no link; null if there is one", nullable=True),
        Column("n_anchors", "bigint", "items of both versions that carry the link"),
        Column("n_anchors_screened", "bigint", "items of both versions left out as having moved"),
        _CALIBRATED_AT,
    ),
    key=("calibration_version",),
    checks=(Check("spread_positive", "population_sd > 0"),),
)

ITEM_PARAMETERS = Table(
    layer=Layer.GOLD,
    name="item_parameters",
    comment="Calibrated items by version; a parameter that was not estimated is null.",
    columns=(
        Column("calibration_version", "string", "joins gold.calibrations; or wd_irt/VERSION"),
        Column("item_id", "string", "joins silver.items"),
        Column("model", "string", "1PL, 2PL, 3PL or GRM, chosen by type and amount of data"),
        Column("difficulty", "double", "b; of a graded item the mean threshold", unit="logit"),
        Column("difficulty_se", "double", "standard error of b", unit="logit"),
        Column("discrimination", "double", "a; null if not estimated", nullable=True),
        Column("discrimination_se", "double", "standard error of a", nullable=True),
        Column("slope", "double", "of the curve; one for all items without a discrimination"),
        Column("guessing", "double", "c; null if not estimated", nullable=True),
        Column("guessing_se", "double", "standard error of c", nullable=True),
        Column("asymptote", "double", "of the curve; the usual one where c is assumed"),
        Column("thresholds", "array<double>", "b of each step in score, rising", unit="logit"),
        Column("n_responses", "bigint", "first attempts used"),
        Column("p_value", "double", "mean share of credit on them"),
        Column("is_anchor", "boolean", "carried the link to the reference version"),
        _CALIBRATED_AT,
        Column(
            "estimator",
            "string",
            "null: marginal maximum likelihood; wd_irt: given abilities from what came before, "
            "calibration_version then names the model's version",
            nullable=True,
        ),
    ),
    key=("calibration_version", "item_id"),
    checks=(
        Check("model_known", "model IN ('1PL', '2PL', '3PL', 'GRM')"),
        Check("errors_positive", "difficulty_se > 0"),
        Check("one_pl_has_no_a", "model <> '1PL' OR discrimination IS NULL"),
        Check("only_3pl_has_c", "model = '3PL' OR guessing IS NULL"),
        Check("slopes_come_with_errors", "(discrimination IS NULL) = (discrimination_se IS NULL)"),
    ),
)

CALIBRATION_RESPONSES = Table(
    layer=Layer.GOLD,
    name="calibration_responses",
    comment="What the latest calibration sums over, one row a student; every run replaces it.",
    columns=(
        STUDENT,
        Column("group_index", "int", "group of the student; 0 is the reference"),
        Column(
            "cells",
            "array<int>",
            "item and score level of each first attempt, as one number each, sorted",
            privacy=_PERSONAL,
        ),
    ),
    key=("student_key",),
)

STUDENT_ABILITIES = Table(
    layer=Layer.GOLD,
    name="student_abilities",
    comment="Ability of each calibrated student by version: posterior mean and spread.",
    columns=(
        Column("calibration_version", "string", "joins gold.item_parameters"),
        STUDENT,
        Column("ability", "double", "EAP of theta", unit="logit", privacy=_PERSONAL),
        Column("ability_sd", "double", "posterior standard deviation", unit="logit"),
        Column("n_responses", "bigint", "first attempts used"),
        _CALIBRATED_AT,
    ),
    key=("calibration_version", "student_key"),
    checks=(Check("spread_positive", "ability_sd > 0"),),
)

_STATUSES = "status IN ('stable', 'watch', 'act', 'insufficient_data')"

ITEM_DRIFT = Table(
    layer=Layer.GOLD,
    name="item_drift",
    comment="How each item behaved in each window of time against its calibration; history stays.",
    columns=(
        Column("item_id", "string", "joins silver.items"),
        Column("window_start", "timestamp", "first instant of the window, UTC"),
        Column("window_end", "timestamp", "first instant after it, UTC"),
        Column(
            "calibration_version",
            "string",
            "parameters the window was held against; null if there are none",
            nullable=True,
        ),
        Column("n_responses", "bigint", "first attempts in the window by students known before"),
        Column("observed", "double", "mean share of credit; null without any", nullable=True),
        Column("expected", "double", "the same by the parameters", nullable=True),
        Column("z", "double", "standardised difference, shift included", nullable=True),
        Column(
            "delta", "double", "change of difficulty, shift taken off", nullable=True, unit="logit"
        ),
        Column("delta_se", "double", "its standard error", nullable=True, unit="logit"),
        Column("shift", "double", "median change of the anchors", nullable=True, unit="logit"),
        Column("p", "double", "two-sided chance of such a delta without drift", nullable=True),
        Column("q", "double", "p after Benjamini-Hochberg over the window's items", nullable=True),
        Column("cusum_harder", "double", "running sum of evidence for harder", nullable=True),
        Column("cusum_easier", "double", "running sum of evidence for easier", nullable=True),
        Column("status", "string", "stable, watch, act or insufficient_data"),
        Column("direction", "string", "harder or easier; null if neither", nullable=True),
        Column("likely_cause", "string", "what to look at first; null if stable", nullable=True),
        Column("is_anchor", "boolean", "whether the item helped to find the shift"),
        Column("checked_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("item_id", "window_start"),
    checks=(
        Check("status_known", _STATUSES),
        Check("flagged_has_direction", "status NOT IN ('watch', 'act') OR direction IS NOT NULL"),
    ),
)

ITEM_HEALTH = Table(
    layer=Layer.GOLD,
    name="item_health",
    comment="The latest state of every item met: statistics, fit, fairness, and what to do.",
    columns=(
        Column("item_id", "string", "joins silver.items"),
        Column("calibration_version", "string", "latest; null if not calibrated", nullable=True),
        Column("n_responses", "bigint", "first attempts that count"),
        Column("exposure", "double", "share of the source's students who met the item"),
        Column("first_seen_at", "timestamp", "UTC; null if only order is known", nullable=True),
        Column("last_seen_at", "timestamp", "UTC; null if only order is known", nullable=True),
        Column("p_value", "double", "mean share of credit on first attempts", nullable=True),
        Column("p_low", "double", "lower end of its 95% interval (Wilson)", nullable=True),
        Column("p_high", "double", "upper end", nullable=True),
        Column(
            "item_theta_correlation",
            "double",
            "of score and ability from other items",
            nullable=True,
        ),
        Column("omit_rate", "double", "share met and never graded", nullable=True),
        Column("hint_rate", "double", "share with a hint used; null if unknown", nullable=True),
        Column("answer_requested_rate", "double", "share with the answer shown", nullable=True),
        Column(
            "latency_p10_ms", "double", "first decile of response time", nullable=True, unit="ms"
        ),
        Column("latency_median_ms", "double", "median response time", nullable=True, unit="ms"),
        Column(
            "latency_p90_ms", "double", "ninth decile of response time", nullable=True, unit="ms"
        ),
        Column("infit", "double", "information-weighted mean square, 1 expected", nullable=True),
        Column("infit_z", "double", "its standardised deviation", nullable=True),
        Column("outfit", "double", "unweighted mean square, 1 expected", nullable=True),
        Column("outfit_z", "double", "its standardised deviation", nullable=True),
        Column("rmsd", "double", "distance of observed and expected curve", nullable=True),
        Column("q3_max", "double", "strongest local dependence on another item", nullable=True),
        Column("q3_item_id", "string", "that item", nullable=True),
        Column("q3_p", "double", "chance of it among all pairs of the item", nullable=True),
        Column(
            "information_at_target", "double", "per response, at the population mean", nullable=True
        ),
        Column(
            "information_peak_at",
            "double",
            "ability where it tells most",
            nullable=True,
            unit="logit",
        ),
        Column(
            "dif",
            "array<struct<group_name:string,n:bigint,delta:double,delta_se:double,p:double,"
            "q:double,ets_class:string,r2_change:double>>",
            "Mantel-Haenszel and logistic DIF against all others; small groups left out",
        ),
        Column(
            "options",
            "array<struct<answer:string,n:bigint,share:double,mean_ability:double,"
            "point_biserial:double,is_key:boolean>>",
            "answers chosen, where the source tells them",
        ),
        Column(
            "drift_status",
            "string",
            "of the latest window with enough responses; null if none",
            nullable=True,
        ),
        Column("status", "string", "good, watch, act or insufficient_data"),
        Column("reasons", "array<string>", "what was found, worst first"),
        Column("suggested_action", "string", "null if nothing needs doing", nullable=True),
        Column("checked_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("item_id",),
    checks=(
        Check("status_known", "status IN ('good', 'watch', 'act', 'insufficient_data')"),
        Check("bad_has_reason", "status = 'good' OR size(reasons) > 0"),
    ),
)

TABLES = (
    CALIBRATIONS,
    ITEM_PARAMETERS,
    CALIBRATION_RESPONSES,
    STUDENT_ABILITIES,
    ITEM_DRIFT,
    ITEM_HEALTH,
)
