"""gRPC as its own library speaks it: python grpc_calls.py serve PORT | call PORT | call-dead PORT"""

import sys
import threading
from concurrent import futures

import grpc

SERVICE = "test.Echo"


def same(data):
    return data


def unary(request, context):
    context.set_trailing_metadata((("x-calls", "one"),))
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
    return request * 2


def down(request, context):
    for number in range(int(request)):
        yield b"%d" % number * 1000


def up(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def both(requests, context):
    for request in requests:
        yield b"seen " + request


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Both": grpc.stream_stream_rpc_method_handler(both),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if server.add_insecure_port(f"127.0.0.1:{port}") != int(port):
        sys.exit("no port")
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def pausing(words, gate):
    """Each word is sent only when the answer to the one before it has come."""
    for word in words:
        gate.acquire()
        yield word


def call(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        one = channel.unary_unary(f"/{SERVICE}/Unary")
        answer, details = one.with_call(b"ab", timeout=10)
        assert answer == b"abab", answer
        assert ("x-calls", "one") in [tuple(it) for it in details.trailing_metadata()]
        assert code_of(lambda: one(b"fail", timeout=10)) == grpc.StatusCode.FAILED_PRECONDITION
        missing = channel.unary_unary(f"/{SERVICE}/Missing")
        assert code_of(lambda: missing(b"", timeout=10)) == grpc.StatusCode.UNIMPLEMENTED
        streamed = list(channel.unary_stream(f"/{SERVICE}/Down")(b"500", timeout=20))
        assert streamed == [b"%d" % number * 1000 for number in range(500)]
        sums = channel.stream_unary(f"/{SERVICE}/Up")
        assert sums(iter([b"x" * 10_000] * 300), timeout=20) == b"3000000"
        gate = threading.Semaphore(1)
        words = [b"a", b"b", b"c"]
        for word, seen in zip(words, channel.stream_stream(f"/{SERVICE}/Both")(pausing(words, gate), timeout=20)):
            assert seen == b"seen " + word, seen
            gate.release()
        endless = channel.stream_stream(f"/{SERVICE}/Both")(pausing(words, threading.Semaphore(1)))
        assert next(endless) == b"seen a"
        endless.cancel()
        many = [one.future(b"%d" % number, timeout=20) for number in range(300)]
        assert [it.result() for it in many] == [b"%d" % number * 2 for number in range(300)]
    print("ok")


def call_dead(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        one = channel.unary_unary(f"/{SERVICE}/Unary")
        code = code_of(lambda: one(b"ab", timeout=10))
        assert code == grpc.StatusCode.UNAVAILABLE, code
    print("ok")


{"serve": serve, "call": call, "call-dead": call_dead}[sys.argv[1]](sys.argv[2])
