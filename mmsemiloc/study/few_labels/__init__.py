"""Methods for few labels compared on frozen features, over many draws of the labels.

image_sets.py    images of a data set as features
rows.py          the methods, each with its settings
outsiders.py     methods of scikit-learn
draw.py          one draw of the labels: settings by cross-validation, then predictions
shares.py        class shares of a draw, as priors of NBEL
run.py           all draws, in processes; store.py keeps what they gave
map_areas.py     maps with and without the locality penalty
intervals.py     differences with intervals over draws and test images
tables.py        tables and plots
"""
