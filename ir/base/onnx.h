/* Numbers of onnx.proto: fields of its messages, and types of tensors and attributes. Who writes files (codegen/onnx) and who reads them
 * (frontend/proto) have them from here. */
#ifndef HNNC_IR_BASE_ONNX_H
#define HNNC_IR_BASE_ONNX_H

enum { /* ModelProto */ MODEL_IR = 1,
       MODEL_PRODUCER,
       MODEL_VERSION,
       MODEL_GRAPH = 7,
       MODEL_OPSET,
       MODEL_ENTRY = 14,
       MODEL_FUNCTION = 25 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION, ENTRY_KEY = 1, ENTRY_VALUE };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT, GRAPH_SPARSE = 15 };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 7 };
enum {
  ATTR_NAME = 1,
  ATTR_F,
  ATTR_I,
  ATTR_S,
  ATTR_T,
  ATTR_G,
  ATTR_FLOATS,
  ATTR_INTS,
  ATTR_STRINGS,
  ATTR_TYPE = 20,
  ATTR_REFERENCE
};
enum { IS_FLOAT = 1, IS_INT, IS_STRING, IS_TENSOR, IS_GRAPH, IS_FLOATS, IS_INTS, IS_STRINGS }; /* ATTR_TYPE */
enum {
  TENSOR_DIM = 1,
  TENSOR_TYPE,
  TENSOR_FLOATS = 4,
  TENSOR_INT32S,
  TENSOR_STRINGS,
  TENSOR_INT64S,
  TENSOR_NAME,
  TENSOR_RAW,
  TENSOR_DOUBLES,
  TENSOR_UINT64S,
  TENSOR_EXTERNAL = 13,
  TENSOR_LOCATION
};
enum { INFO_NAME = 1, INFO_TYPE, TYPE_TENSOR = 1, TENSOR_ELEM = 1, TENSOR_SHAPE, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM };
enum { /* TENSOR_TYPE */
       ONNX_FLOAT = 1,
       ONNX_UINT8,
       ONNX_INT8,
       ONNX_UINT16,
       ONNX_INT16,
       ONNX_INT32,
       ONNX_INT64,
       ONNX_STRING,
       ONNX_BOOL,
       ONNX_FLOAT16,
       ONNX_DOUBLE,
       ONNX_UINT32,
       ONNX_UINT64,
       ONNX_BFLOAT16 = 16
};

#endif
