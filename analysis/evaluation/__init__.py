"""How good a model is: generalisation, specificity, stability, prediction, and what it hangs on."""
