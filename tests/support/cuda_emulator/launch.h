// The library's face: what kernels it holds, and a launch of one of them.

extern "C" const char* emulated_signature(const char* name) {
    for (auto& kernel : kernels)
        if (!strcmp(kernel.name, name)) return kernel.signature;
    return 0;
}

// Blocks run one after the other, in order or, with their threads, reversed. Returns what went wrong, or null.
extern "C" const char* emulated_launch(
    const char* name, unsigned gx, unsigned gy, unsigned gz, unsigned threads, void** arguments, int reversed) {
    emulator::failure = 0;
    while (emulator::fibers.size() < threads) emulator::fibers.push_back(new emulator::Fiber);
    for (auto& kernel : kernels) {
        if (strcmp(kernel.name, name)) continue;
        auto run = kernel.call;
        emulator::body = [=] { run(arguments); };
        gridDim = {gx, gy, gz};
        blockDim = {threads, 1, 1};
        unsigned blocks = gx * gy * gz;
        for (unsigned i = 0; i < blocks && !emulator::failure; ++i) {
            unsigned block = reversed ? blocks - 1 - i : i;
            blockIdx = {block % gx, block / gx % gy, block / gx / gy};
            memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);
            emulator::run_block(threads, reversed);
        }
        return emulator::failure;
    }
    return "no such kernel";
}
