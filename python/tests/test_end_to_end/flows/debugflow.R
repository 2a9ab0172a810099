library(metaflow)

a <- function(self){
    self$var <- 1
}

b <- function(self){
    self$var <- tofail("cannot find function tofail")
}

join <- function(self, inputs){
    print(paste("var in step a is", inputs$a$var))
    print(paste("var in step b is", inputs$b$var))
}

metaflow("DebugFlow") %>%
    step(step = "start",
         next_step = c("a", "b")) %>%
    step(step = "a",
         r_function=a,
         next_step="join") %>%
    step(step="b",
         r_function=b,
         next_step="join") %>%
    step(step="join",
         r_function=join,
         next_step="end",
         join=TRUE) %>%
    step(step="end") %>%
    run()
