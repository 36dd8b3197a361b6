"""The graph being built: builder, dtypes, shapes, folding, lowerings, passes, writing.

builder            `g.Add(x, 1)`: the one that symbolics call
values, symbolic   what it computes with: tensors, and integers known as expressions
signatures         what an operator looks like at an opset; `arguments`: what it is given
lowerings/         what stands in for an operator that an opset lacks
kernels            dtypes that onnxruntime computes in
shapes             dtypes and shapes of results; `shape_rules`, `spatial_rules`,
                   `indexing_rules`: the rules, by subject
propagation        integers known as expressions, through shape arithmetic
folding            results of constants
size_nodes         expressions as nodes
loops              Loop and Scan whose bodies are Python functions
passes/, model     what is done to a finished graph, and writing it
"""
