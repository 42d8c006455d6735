"""What nodes enforce unless their operator says otherwise."""

from django.conf import settings

from scheduler_site.checks import nodes


def test_what_somebody_asked_for_is_what_others_can_rely_on():
    assert (settings.MEMORY_LIMIT, settings.CONTROL_GROUPS, settings.CPU_AFFINITY) == ("enforce", "auto", True)


def test_folders_have_no_limit_and_disks_a_small_reserve():
    assert (settings.OUTPUT_LIMIT_GB, settings.DISK_RESERVE_MB, settings.SILENCE_SECONDS) == (0, 512, 7200)


def test_jobs_are_shut_in_and_may_have_some_thousand_processes():
    assert (settings.PRIVATE_TMP, settings.PROCESS_LIMIT, list(settings.JOB_FOLDERS)) == (True, 4096, [])


def test_an_agent_is_refused_a_user_that_there_is_not_and_folders_that_are_not_absolute(settings):
    settings.TRAINYARD_ROLE, settings.RUN_AS, settings.JOB_FOLDERS = "node", "nosuch-account", ["data", "/data"]
    assert [found.id for found in (*nodes.check_run_as(), *nodes.check_job_folders())] == [
        "trainyard.E057",
        "trainyard.E058",
    ]


def test_the_site_does_not_ask_whether_an_account_of_the_nodes_exists_here(settings):
    settings.TRAINYARD_ROLE, settings.RUN_AS = "site", "nosuch-account"
    assert nodes.check_run_as() == []


def test_an_agent_is_refused_a_notice_that_nobody_gives_and_the_site_is_not_asked(settings):
    settings.TRAINYARD_ROLE, settings.SPOT_NOTICE = "node", "amazon"
    assert [found.id for found in nodes.check_spot_notice()] == ["trainyard.E065"]
    settings.TRAINYARD_ROLE = "site"
    assert nodes.check_spot_notice() == []
