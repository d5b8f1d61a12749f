# Reference for tests/test_mixed_models.py: Orthodont (Potthoff & Roy 1964), distance ~ age * Sex,
# a random intercept of each child, by R's nlme (Pinheiro & Bates 2000, doi:10.1007/b98882).
#
#   Rscript mixed_models.R     in this folder; writes mixed_models_input.csv, mixed_models_output.csv
#
# Sex is coded 0 for boys and 1 for girls.

suppressPackageStartupMessages(library(nlme))
data(Orthodont)
table <- data.frame(subject = as.character(Orthodont$Subject), age = Orthodont$age,
                    girl = as.integer(Orthodont$Sex == "Female"), distance = Orthodont$distance)
write.csv(table, "mixed_models_input.csv", row.names = FALSE, quote = FALSE)
fit <- lme(distance ~ age * girl, random = ~ 1 | subject, data = table, method = "REML")
coefficients <- summary(fit)$tTable
sds <- as.numeric(VarCorr(fit)[, "StdDev"])
rows <- data.frame(name = rownames(coefficients), estimate = sprintf("%.12g", coefficients[, 1]),
                   se = sprintf("%.12g", coefficients[, 2]), df = coefficients[, 3],
                   p = sprintf("%.12g", coefficients[, 5]))
rows <- rbind(rows, data.frame(name = c("subject_sd", "residual_sd"),
                               estimate = sprintf("%.12g", sds), se = NA, df = NA, p = NA))
write.csv(rows, "mixed_models_output.csv", row.names = FALSE, quote = FALSE)
