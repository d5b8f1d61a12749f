# Reference for tests/test_strata.py: tests of level, side and their interaction in their own strata.
#
#   Rscript strata.R           in this folder; writes strata_input.csv and strata_output.csv
#
# aov() with Error(subject/(level*side)); epsilon and the corrected p by anova.mlm (Greenhouse-Geisser).

set.seed(7)
s <- 6; a <- 4
table <- expand.grid(side = c("left", "right"), level = paste0("L", 1:a), subject = paste0("sub-", 1:s))
table$value <- round(rnorm(nrow(table)) + as.integer(table$level) * 0.6 +
                     rnorm(s)[as.integer(table$subject)] +
                     rnorm(s)[as.integer(table$subject)] * 0.5 * as.integer(table$side) +
                     0.4 * as.integer(table$side), 3)
write.csv(table[, c("subject", "level", "side", "value")], "strata_input.csv", row.names = FALSE, quote = FALSE)
fit <- summary(aov(value ~ level * side + Error(subject / (level * side)), data = table))
pick <- function(name, effect) {
  rows <- fit[[paste0("Error: ", name)]][[1]]
  i <- which(trimws(rownames(rows)) == effect)
  r <- which(trimws(rownames(rows)) == "Residuals")
  c(rows[i, "F value"], rows[i, "Df"], rows[r, "Df"])
}
wide <- t(matrix(table$value, nrow = 2 * a))
cells <- expand.grid(side = factor(1:2), level = factor(1:a))
mlm <- lm(wide ~ 1)
corrected <- function(m, x) {
  out <- anova(mlm, idata = cells, M = m, X = x, test = "Spherical")
  c(as.numeric(sub(".*: *", "", grep("Greenhouse", attr(out, "heading"), value = TRUE))), out[1, "G-G Pr"])
}
rows <- rbind(
  c(pick("subject:level", "level"), corrected(~ level + side, ~ side)),
  c(pick("subject:side", "side"), corrected(~ level + side, ~ level)),
  c(pick("subject:level:side", "level:side"), corrected(~ level * side, ~ level + side)))
result <- data.frame(effect = c("level", "side", "level:side"), formatC(rows, digits = 12, format = "g"))
names(result)[-1] <- c("f", "df1", "df2", "epsilon", "p")
write.csv(result, "strata_output.csv", row.names = FALSE, quote = FALSE)
