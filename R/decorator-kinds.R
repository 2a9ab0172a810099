# Every decorator that there is: its level, its arguments with their defaults and checks, and
# `complete`, which judges them together. Names are Metaflow's own.

decorator_kinds <- function() {
  list(
    retry = list(
      level = "step",
      arguments = list(
        times = one_count(3L),
        minutes_between_retries = one_number(2)
      )
    ),
    catch = list(
      level = "step",
      arguments = list(
        var = one_identifier(),
        print_exception = one_flag(TRUE)
      )
    ),
    timeout = list(
      level = "step",
      arguments = list(
        seconds = one_number(0),
        minutes = one_number(0),
        hours = one_number(0)
      ),
      complete = check_some_time
    ),
    resources = list(
      level = "step",
      arguments = list(
        cpu = one_number(1, min = 0.001),
        gpu = one_count(),
        memory = one_count(4096L, min = 1),
        shared_memory = one_count(),
        disk = one_count()
      )
    ),
    environment = list(
      level = "step",
      arguments = list(vars = variable_list())
    ),
    isolation = list(
      level = "step",
      arguments = list(mode = one_of(c("auto", "fork", "process", "inline")))
    ),
    batch = list(
      level = "step",
      arguments = list(
        cpu = one_number(1, min = 0.001),
        gpu = one_count(0L),
        memory = one_count(4096L, min = 1),
        image = one_string(),
        queue = one_string(),
        iam_role = one_string(),
        execution_role = one_string(),
        shared_memory = one_count(),
        max_swap = one_count(),
        swappiness = one_count(),
        inferentia = one_count(),
        trainium = one_count(),
        efa = one_count(),
        host_volumes = plain_data(),
        efs_volumes = plain_data(),
        use_tmpfs = one_flag(FALSE),
        tmpfs_tempdir = one_flag(TRUE),
        tmpfs_size = one_count(),
        tmpfs_path = one_string("/metaflow_temp"),
        aws_batch_tags = plain_data(),
        ephemeral_storage = one_count(),
        log_driver = one_string(),
        log_options = plain_data(),
        privileged = one_flag(FALSE)
      )
    ),
    kubernetes = list(
      level = "step",
      arguments = list(
        cpu = one_number(1, min = 0.001),
        memory = one_count(4096L, min = 1),
        disk = one_count(10240L),
        image = one_string(),
        image_pull_policy = one_string(),
        image_pull_secrets = plain_data(),
        service_account = one_string(),
        secrets = plain_data(),
        node_selector = plain_data(),
        namespace = one_string(),
        gpu = one_count(),
        gpu_vendor = one_string(),
        tolerations = plain_data(),
        labels = plain_data(),
        annotations = plain_data(),
        use_tmpfs = one_flag(FALSE),
        tmpfs_tempdir = one_flag(TRUE),
        tmpfs_size = one_count(),
        tmpfs_path = one_string("/metaflow_temp"),
        persistent_volume_claims = plain_data(),
        shared_memory = one_count(),
        port = one_count(),
        compute_pool = one_string(),
        qos = one_string("Burstable")
      )
    ),
    secrets = list(
      level = "step",
      arguments = list(
        sources = secret_sources(),
        role = one_string(),
        allow_override = one_flag(FALSE)
      )
    ),
    card = list(
      level = "step",
      arguments = list(
        type = one_string("default"),
        id = one_identifier(),
        options = plain_data(list()),
        timeout = one_number(45),
        save_errors = one_flag(TRUE),
        customize = one_flag(FALSE),
        refresh_interval = one_number(5)
      )
    ),
    schedule = list(
      level = "flow",
      arguments = list(
        cron = one_string(),
        weekly = one_flag(FALSE),
        daily = one_flag(FALSE),
        hourly = one_flag(FALSE),
        timezone = one_string()
      ),
      complete = complete_schedule
    ),
    project = list(
      level = "flow",
      arguments = list(
        name = project_name(),
        branch = one_string(),
        production = one_flag(FALSE)
      )
    )
  )
}

# What an argument may be: a default, and a check that returns the value as it is to be sent.

one_count <- function(default = NULL, min = 0) {
  null <- is.null(default)
  list(default = default, check = function(x, name, call) {
    check_count(x, name, min = min, null = null, call = call)
    if (is.null(x)) NULL else as_whole(x)
  })
}

one_number <- function(default = NULL, min = 0) {
  null <- is.null(default)
  list(default = default, check = function(x, name, call) {
    check_number(x, name, min = min, null = null, call = call)
    if (is_number(x) && x == trunc(x)) as_whole(x) else x
  })
}

one_string <- function(default = NULL) {
  list(default = default, check = function(x, name, call) {
    check_string(x, name, null = TRUE, call = call)
  })
}

# The first choice is the default.
one_of <- function(choices) {
  list(default = choices[[1]], check = function(x, name, call) {
    if (identical(x, choices)) return(choices[[1]])
    check_string(x, name, call = call)
    if (!x %in% choices) {
      known <- paste0("\"", choices, "\"", collapse = ", ")
      abort_argument(name, paste("one of", known), x, call = call)
    }
    x
  })
}

one_flag <- function(default) {
  list(default = default, check = function(x, name, call) check_flag(x, name, call = call))
}

one_identifier <- function() {
  list(default = NULL, check = function(x, name, call) {
    if (!is.null(x)) check_identifier(x, name, call = call)
    x
  })
}

plain_data <- function(default = NULL) {
  list(default = default, check = function(x, name, call) {
    if (!is_json(x)) abort_argument(name, "plain values, or a list of them", x, call = call)
    as_plain(x)
  })
}

variable_list <- function() {
  list(default = NULL, check = function(x, name, call) {
    x <- as.list(x)
    single <- vapply(x, function(value) is.atomic(value) && length(value) == 1 && !is.na(value), NA)
    named <- length(x) && !is.null(names(x)) && all(grepl("^[^=]+$", names(x)))
    if (!named || !all(single)) {
      abort_argument(
        name, "one value for each variable, by name", x,
        hint = "Write `environment_variables(OMP_NUM_THREADS = 1, STAGE = \"test\")`.", call = call
      )
    }
    lapply(x, as.character)
  })
}

secret_sources <- function() {
  list(default = list(), check = function(x, name, call) {
    if (!length(x) || !is_json(x)) {
      abort_argument(
        name, "one or more names of secrets", x,
        hint = "Write `secrets(sources = \"my-secret\")`.", call = call
      )
    }
    unname(as.list(as_plain(x)))
  })
}

project_name <- function() {
  list(default = NULL, check = function(x, name, call) {
    check_string(x, name, call = call)
    if (!grepl("^[a-z0-9_]{1,128}$", x)) {
      abort_argument(
        name, "lower-case letters, digits and underscores", x,
        hint = sprintf("Write `%s`, for instance.", tolower(as_identifier(x))), call = call
      )
    }
    x
  })
}

check_some_time <- function(attributes, call) {
  if (sum(unlist(attributes)) <= 0) {
    abort(
      c("`timeout()` needs a time.", i = "Write `timeout(minutes = 5)`, for instance."),
      class = "invalid_argument", call = call
    )
  }
  attributes
}

# As in Metaflow, a schedule that says nothing is daily.
complete_schedule <- function(attributes, call) {
  chosen <- c(
    cron = !is.null(attributes$cron), unlist(attributes[c("weekly", "daily", "hourly")])
  )
  if (sum(chosen) > 1) {
    abort(
      c(
        sprintf("`schedule()` got %s, which contradict each other.",
          enumerate(names(chosen)[chosen])),
        i = "Write one of them, such as `daily = TRUE` or `cron = \"0 10 * * ? *\"`."
      ),
      class = "invalid_argument", call = call
    )
  }
  attributes$daily <- attributes$daily || !any(chosen)
  attributes
}
