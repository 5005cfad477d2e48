# How the command starts Node.js. bin/exporter sources this file. For the single executable, scripts/binary/build-binary.ts
# reads the three lists (lines `tandem_name='words'`) and scripts/binary/build-launcher.ts the `require` lines. SECURITY.md
# ("The runtime's own inputs") has the reasons.

# Below these limits Node.js dies silently or with a native stack trace. Arguments: option of ulimit, minimum to
# start, minimum for an export (docs/operations.md), unit.
require Hn 32 60 'open files'
require Sv 2000000 8000000 'KiB of address space'
require Sd 700000 1100000 'KiB of data'
require Ss 100 100 'KiB of stack'

# No inspector on SIGUSR1, and no OpenSSL configuration, not even one that cannot be read. The main thread's young
# generation is half of Node's default, which saves memory, but has that size from the start: V8 begins with 1 MiB and
# would collect garbage ten times in an export of a few kB. Other threads have limits of their own.
tandem_node_flags='--disable-sigusr1 --openssl-config=/dev/null --min-semi-space-size=8 --max-semi-space-size=8 --disable-warning=ExperimentalWarning'

# Variables that Node.js, OpenSSL, libuv, ICU, simdutf, simdjson, the C library and its loader read by themselves.
tandem_runtime_variables='
NODE_CHANNEL_FD NODE_CHANNEL_SERIALIZATION_MODE NODE_CLUSTER_SCHED_POLICY NODE_COMPILE_CACHE NODE_COMPILE_CACHE_PORTABLE
NODE_COMPILE_CACHE_READONLY NODE_DEBUG NODE_DEBUG_NATIVE NODE_DISABLE_COLORS NODE_DISABLE_COMPILE_CACHE NODE_EXTRA_CA_CERTS
NODE_ICU_DATA NODE_INSPECT_RESUME_ON_START NODE_NO_WARNINGS NODE_OPTIONS NODE_PATH NODE_PENDING_DEPRECATION
NODE_PRESERVE_SYMLINKS NODE_PRESERVE_SYMLINKS_MAIN NODE_REDIRECT_WARNINGS NODE_REPL_EXTERNAL_MODULE NODE_TEST_CONTEXT
NODE_TEST_WORKER_ID NODE_TLS_REJECT_UNAUTHORIZED NODE_UNIQUE_ID NODE_USE_ENV_PROXY NODE_USE_SYSTEM_CA NODE_V8_COVERAGE
FORCE_COLOR NO_COLOR WATCH_REPORT_DEPENDENCIES
CTLOG_FILE OPENSSL_CONF OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES OPENSSL_armcap OPENSSL_ia32cap OSSL_QFILTER QLOGDIR
RANDFILE SSLKEYLOGFILE UV_THREADPOOL_SIZE UV_USE_IO_URING
ICU_ENABLE_TENTATIVE_ERA ICU_TIMEZONE_FILES_DIR SIMDJSON_FORCE_IMPLEMENTATION SIMDUTF_FORCE_IMPLEMENTATION
CARES_HOSTS GCONV_PATH GLIBC_TUNABLES HOSTALIASES LOCALDOMAIN LOCPATH NLSPATH RES_OPTIONS RESOLV_ADD_TRIM_DOMAINS
RESOLV_HOST_CONF RESOLV_MULTI RESOLV_OVERRIDE_TRIM_DOMAINS RESOLV_REORDER TZDIR
MALLOC_ARENA_MAX MALLOC_ARENA_TEST MALLOC_CHECK_ MALLOC_MMAP_MAX_ MALLOC_MMAP_THRESHOLD_ MALLOC_PERTURB_ MALLOC_TOP_PAD_
MALLOC_TRACE MALLOC_TRIM_THRESHOLD_
LD_ASSUME_KERNEL LD_AUDIT LD_BIND_NOT LD_BIND_NOW LD_DEBUG LD_DEBUG_OUTPUT LD_DYNAMIC_WEAK LD_HWCAP_MASK LD_LIBRARY_PATH
LD_ORIGIN_PATH LD_PREFER_MAP_32BIT_EXEC LD_PRELOAD LD_SHOW_AUXV LD_TRACE_LOADED_OBJECTS
LD_USE_LOAD_BIAS LD_VERBOSE LD_WARN
'

# Variables that the bundled libraries read by themselves.
tandem_library_variables='
AWS_LAMBDA_BENCHMARK_MODE AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA DEBUG DEBUG_AUTH GOOGLE_SDK_NODE_LOGGING JEST_WORKER_ID
PISCINA_DISABLE_ATOMICS PISCINA_ENABLE_ASYNC_ATOMICS UNDICI_NO_WASM_SIMD
'
