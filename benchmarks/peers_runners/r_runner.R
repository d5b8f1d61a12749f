# Runs an R package as the runners in Python do: Rscript r_runner.R FOLDER PACKAGE.
# Answers requests on standard input, one JSON a line: prepare, run, save.

suppressMessages(suppressWarnings(library(jsonlite)))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
package <- arguments[2]
suppressMessages(suppressWarnings(library(package, character.only = TRUE)))

# Landmarks x 3 x shapes, from a C-ordered .npy of shapes x landmarks x 3.
read_shapes <- function(path) {
  file <- file(path, "rb")
  on.exit(close(file))
  start <- readBin(file, "raw", 8)
  stopifnot(as.integer(start[7]) == 1)
  header <- rawToChar(readBin(file, "raw", readBin(file, "integer", 1, size = 2, signed = FALSE)))
  shape <- as.integer(strsplit(sub(".*'shape': \\(([^)]*)\\).*", "\\1", header), ",")[[1]])
  values <- readBin(file, "double", prod(shape))
  aperm(array(values, dim = rev(shape)), c(2, 1, 3))
}

as_rows <- function(shapes) t(matrix(aperm(shapes, c(2, 1, 3)), ncol = dim(shapes)[3]))
mean_of <- function(shapes) apply(shapes, c(1, 2), mean)
of_prcomp <- function(fit, mean) list(mean = mean, variance = fit$sdev^2)
proper <- function(variance) variance[variance > 1e-10 * variance[1]]
points <- function() read_shapes(file.path(folder, "points.npy"))
aligned <- function() read_shapes(file.path(folder, "aligned.npy"))

tasks_of <- list(
  shapes = function() {
    align <- function(x, pca) {
      procGPA(x, scale = FALSE, reflect = FALSE, tol1 = 1e-14, distances = FALSE, pcaoutput = pca)
    }
    list(
      align = list(
        prepare = points, run = function(x) align(x, FALSE),
        result = function(fit) list(mean = mean_of(fit$rotated))
      ),
      components = list(
        prepare = function() as_rows(aligned()), run = prcomp,
        result = function(fit) {
          list(mean = matrix(fit$center, ncol = 3, byrow = TRUE), variance = proper(fit$sdev^2))
        }
      ),
      `align+components` = list(
        prepare = points, run = function(x) align(x, TRUE),
        result = function(fit) {
          list(mean = mean_of(fit$rotated), variance = proper(fit$pcasd^2))
        }
      )
    )
  },
  # Not tried: neither package could be had where this was written.
  Morpho = function() {
    list(align = list(
      prepare = points,
      run = function(x) {
        ProcGPA(x,
          tol = 1e-10, scale = FALSE, CSinit = FALSE, reflection = FALSE, pcAlign = FALSE,
          silent = TRUE
        )
      },
      result = function(fit) list(mean = mean_of(fit$rotated))
    ))
  },
  geomorph = function() {
    list(align = list(
      prepare = points,
      run = function(x) gpagen(x, PrinAxes = FALSE, Proj = FALSE, print.progress = FALSE),
      result = function(fit) list(mean = mean_of(fit$coords))
    ))
  }
)

notes_of <- list(
  shapes = list(
    alignment = paste(
      "`procGPA(scale = FALSE, reflect = FALSE)`; proper rotations; centres; stops where the sum of",
      "squares falls by less than 1e-14 of the squared size; works out tangent coordinates whether",
      "wanted or not"
    ),
    components = "alone: R's own `prcomp`; with alignment: `procGPA(pcaoutput = TRUE)`"
  ),
  Morpho = list(alignment = "`ProcGPA(scale = FALSE, reflection = FALSE)`; this call was not tried"),
  geomorph = list(alignment = "`gpagen`; always scales; this call was not tried")
)

reply <- function(answer) {
  cat(toJSON(answer, auto_unbox = TRUE, digits = NA), "\n", sep = "", file = stdout())
  flush(stdout())
}

save_arrays <- function(arrays, prefix) {
  lapply(setNames(names(arrays), names(arrays)), function(name) {
    array <- arrays[[name]]
    if (is.matrix(array)) {
      writeBin(as.double(t(array)), paste0(prefix, name, ".f64"))
      dim(array)
    } else {
      writeBin(as.double(array), paste0(prefix, name, ".f64"))
      I(length(array))
    }
  })
}

tasks <- tasks_of[[package]]()
reply(list(
  tasks = I(names(tasks)),
  versions = setNames(
    list(as.character(getRversion()), as.character(packageVersion(package))), c("R", package)
  ),
  blas = basename(La_library()),
  notes = notes_of[[package]]
))

task <- NULL
prepared <- NULL
output <- NULL
requests <- file("stdin", "r")
while (length(line <- readLines(requests, 1)) > 0) {
  request <- fromJSON(line)
  answer <- tryCatch(
    {
      if (request$do == "prepare") {
        task <- tasks[[request$task]]
        output <- NULL
        prepared <- task$prepare()
        invisible(gc())
        setNames(list(), character(0))
      } else if (request$do == "run") {
        output <- NULL
        invisible(gc())
        used <- system.time(output <- task$run(prepared), gcFirst = FALSE)
        list(seconds = used[["elapsed"]], cpu_seconds = used[["user.self"]] + used[["sys.self"]])
      } else {
        list(arrays = save_arrays(task$result(output), request$prefix))
      }
    },
    error = function(error) list(error = conditionMessage(error))
  )
  reply(answer)
}
