# Reference for tests/test_procrustes_anova.py: SS, F and R² by vegan's adonis2 (Euclidean distances).
#
#   Rscript procrustes_anova.R in this folder; writes procrustes_anova_input.csv and _output.csv
#
# Its p permutes raw values, not residuals of the reduced model: only SS, F and R² are compared.

suppressPackageStartupMessages(library(vegan))
set.seed(11)
n <- 12
table <- data.frame(age = round(rnorm(n, 23, 1), 2), group = rep(c("a", "b", "c"), 4))
y <- matrix(round(rnorm(n * 6), 3), n) + outer(table$age - 23, rep(c(0.5, 0, 0.2), 2))
y[, 1] <- y[, 1] + 0.8 * (table$group == "b")
write.csv(cbind(table, as.data.frame(y)), "procrustes_anova_input.csv", row.names = FALSE, quote = FALSE)
one <- function(by, kind) {
  out <- as.data.frame(adonis2(y ~ age + group, data = table, method = "euclidean", by = by, permutations = 9))
  data.frame(kind = kind, term = rownames(out), df = out$Df, ss = sprintf("%.12g", out$SumOfSqs),
             r2 = sprintf("%.12g", out$R2), f = sprintf("%.12g", out$F))
}
write.csv(rbind(one("terms", "sequential"), one("margin", "marginal")), "procrustes_anova_output.csv",
          row.names = FALSE, quote = FALSE)
