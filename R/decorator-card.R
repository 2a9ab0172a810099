#' Attach a card to a step
#'
#' Arguments are checked and kept with the flow. Making cards is planned; in this version there is
#' none.
#'
#' @param type `[character(1)]` Kind of the card.
#' @param id `[character(1)]` Name that tells it from the step's other cards, or NULL.
#' @param options `[list]` Options of that kind of card.
#' @param timeout `[numeric(1)]` Seconds that making the card may take.
#' @param save_errors `[logical(1)]` Whether an error while making it becomes the card.
#' @return A decorator for [step()].
#' @section Errors:
#' `metaflow_invalid_argument` for a value that is not of its kind.
#' @examples
#' card(id = "fit")
#' @export
card <- function(type = "default", id = NULL, options = list(), timeout = 45,
                 save_errors = TRUE) {
  wrap_decorator("card")
}
