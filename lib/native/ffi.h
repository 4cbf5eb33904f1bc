// XLA's foreign function interface, as far as operations of this package need it: what a program that
// XLA compiled hands to a function of C, and the threads it lends. The names and the layout are those
// of XLA's C API (xla/ffi/api/c_api.h), whose version 0.1 each later one extends.
#ifndef TOKENFUSE_FFI_H
#define TOKENFUSE_FFI_H

#include <stddef.h>
#include <stdint.h>

typedef struct XLA_FFI_Error XLA_FFI_Error;
typedef struct XLA_FFI_ExecutionContext XLA_FFI_ExecutionContext;

typedef struct XLA_FFI_Extension_Base {
	size_t struct_size;
	int type;
	struct XLA_FFI_Extension_Base *next;
} XLA_FFI_Extension_Base;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	int major_version;
	int minor_version;
} XLA_FFI_Api_Version;

// With this extension a handler is not called to compute, but to say for which version it was written.
enum { XLA_FFI_Extension_Metadata = 1 };

typedef struct {
	size_t struct_size;
	XLA_FFI_Api_Version api_version;
	uint32_t traits;
} XLA_FFI_Metadata;

typedef struct {
	XLA_FFI_Extension_Base extension_base;
	XLA_FFI_Metadata *metadata;
} XLA_FFI_Metadata_Extension;

enum { XLA_FFI_Error_Code_INVALID_ARGUMENT = 3 };
enum { XLA_FFI_DataType_S32 = 4, XLA_FFI_DataType_F32 = 11 };

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	int dtype;
	void *data;
	int64_t rank;
	int64_t *dims;
} XLA_FFI_Buffer;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	int64_t size;
	int *types;
	void **buffers;
} XLA_FFI_Buffers; // XLA_FFI_Args and XLA_FFI_Rets

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	const char *message;
	int errc;
} XLA_FFI_Error_Create_Args;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	XLA_FFI_Error *error;
} XLA_FFI_Error_Destroy_Args;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	XLA_FFI_ExecutionContext *ctx;
	void (*task)(void *data);
	void *data;
} XLA_FFI_ThreadPool_Schedule_Args;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	XLA_FFI_ExecutionContext *ctx;
	int64_t *num_threads;
} XLA_FFI_ThreadPool_NumThreads_Args;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	XLA_FFI_Api_Version api_version;
	void *internal_api;
	XLA_FFI_Error *(*Error_Create)(XLA_FFI_Error_Create_Args *);
	void *Error_GetMessage;
	void (*Error_Destroy)(XLA_FFI_Error_Destroy_Args *);
	void *between[8]; // of no use here
	XLA_FFI_Error *(*ThreadPool_Schedule)(XLA_FFI_ThreadPool_Schedule_Args *);
	XLA_FFI_Error *(*ThreadPool_NumThreads)(XLA_FFI_ThreadPool_NumThreads_Args *);
} XLA_FFI_Api;

typedef struct {
	size_t struct_size;
	XLA_FFI_Extension_Base *extension_start;
	const XLA_FFI_Api *api;
	XLA_FFI_ExecutionContext *ctx;
	int stage;
	XLA_FFI_Buffers args;
	XLA_FFI_Buffers rets;
} XLA_FFI_CallFrame;

#endif
