# Reference for tests/test_reference_shapes.py: generalised Procrustes analysis by R's `shapes`
# (Dryden & Mardia 2016, Statistical Shape Analysis, with applications in R, chapter 7).
#
#   Rscript procgpa.R          in this folder; reads procgpa_input.csv, writes procgpa_output.json
#
# procGPA(scale = FALSE) centres every configuration on its centroid and minimises
# sum_i |X_i R_i - M|^2 over proper rotations: the project's align(anchor = "centroid").
# pcasd are the standard deviations of the principal components of the residuals X_i R_i - M,
# with n - 1; their squares are the eigenvalues.
# The tolerance is on the change of the sum of squares: zero runs until that no longer falls.
# A second pass over the rotated configurations brings the rotations themselves to rest.

options(rgl.useNULL = TRUE)
suppressPackageStartupMessages(library(shapes))

table <- read.csv("procgpa_input.csv", stringsAsFactors = FALSE)
subjects <- unique(table$subject)
landmarks <- unique(table$landmark)
k <- length(landmarks)
x <- array(0, c(k, 3, length(subjects)))
for (i in seq_along(subjects)) {
  rows <- table[table$subject == subjects[i], ]
  stopifnot(identical(rows$landmark, landmarks))
  x[, , i] <- as.matrix(rows[, c("x", "y", "z")])
}

analyse <- function() {
  first <- procGPA(x, scale = FALSE, reflect = FALSE, tol1 = 0, tol2 = 0)
  procGPA(first$rotated, scale = FALSE, reflect = FALSE, tol1 = 0, tol2 = 0)
}

numbers <- function(v) paste0("[", paste(sprintf("%.17g", v), collapse = ", "), "]")
words <- function(v) paste0("[", paste0('"', v, '"', collapse = ", "), "]")
rows <- function(m) paste0("[\n    ", paste(apply(m, 1, numbers), collapse = ",\n    "), "\n  ]")

result <- analyse()
kept <- seq_len(length(subjects) - 1)
writeLines(c(
  "{",
  paste0('  "r": "', R.version.string, '",'),
  paste0('  "shapes": "', packageVersion("shapes"), '",'),
  '  "call": "procGPA(x, scale = FALSE, reflect = FALSE, tol1 = 0, tol2 = 0), twice",',
  paste0('  "subjects": ', words(subjects), ","),
  paste0('  "centroid_size_mm": ', numbers(apply(x, 3, centroid.size)), ","),
  paste0('  "variance_mm2": ', numbers(result$pcasd[kept]^2), ","),
  paste0('  "sum_of_squares_mm2": ', sprintf("%.17g", result$GSS), ","),
  paste0('  "mean_mm": ', rows(result$mshape)),
  "}"
), "procgpa_output.json")
