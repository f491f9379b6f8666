#include <weightscope/evaluators/process_evaluator.hpp>

#ifdef WEIGHTSCOPE_PROCESSES

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <weightscope/core/random.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/evaluators/compare_outputs.hpp>
#include <weightscope/evaluators/differences.hpp>
#include <weightscope/evaluators/gradient.hpp>
#include <weightscope/evaluators/hessian_trace.hpp>
#include <weightscope/evaluators/scratch_folder.hpp>
#include <weightscope/evaluators/self_test.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>
#include <weightscope/scorers/activation_collector.hpp>

#include "../catch.hpp"

using namespace weightscope;
namespace fs = std::filesystem;

namespace {

// A folder for the model and for the working copies, to see that nothing is left in it.
struct workplace
{
    workplace() : folder(fs::temp_directory_path() / "weightscope_process_test")
    {
        fs::remove_all(folder);
        fs::create_directories(folder / "work");
    }
    ~workplace() { fs::remove_all(folder); }

    model make_model()
    {
        const xt::xtensor<float, 2> a = random_normal<float>({2, 3}, {.seed = 1});
        const xt::xtensor<float, 1> b = {0.5f, -2};
        write_safetensors(folder / "model.safetensors", std::vector{to_write("a", a), to_write("b", b)});
        return read_safetensors(folder / "model.safetensors");
    }
    std::string bytes() const
    {
        std::ifstream in(folder / "model.safetensors", std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    process_evaluator_options options(double timeout = 20) const { return {.timeout_seconds = timeout, .folder = folder / "work"}; }
    bool clean() const { return fs::is_empty(folder / "work"); }

    fs::path folder;
};

// Loss of batch b: (b + 1) times the sum of squares of all weights, counted as 3. In shell: od prints floats with 9 digits or so.
const std::string squares = R"(
    read -r _ _ file
    begin=$((8 + $(od -An -tu8 -N8 "$file")))
    echo "batches 2"
    while read -r question batch rest; do
        od -An -v -tf4 -w4 -j $begin "$file" | awk -v b=$batch '{ s += $1 * $1 } END { printf "%.17g 3\n", s * (b + 1) }'
    done)";

std::string failure(const std::string& command, const model& weights, const process_evaluator_options& options)
{
    try {
        process_evaluator evaluator(command, weights, options);
        (void)evaluator.loss(0);
    } catch (const process_error& error) {
        return error.what();
    }
    return "no error";
}

using Catch::Matchers::ContainsSubstring;

// Whether Python can import a module; says so where it cannot.
bool python_has(const std::string& module)
{
    if (std::system(("python3 -c 'import " + module + "' 2> /dev/null").c_str()) == 0)
        return true;
    WARN("skipped: python3 has no " << module);
    return false;
}

std::string example(const std::string& name)
{
    return "python3 '" + (fs::path(__FILE__).parent_path() / "../../examples/evaluators" / name).string() + "'";
}

// What enters the second layer of an example is tanh(x W1^T), x being what enters the first.
template <class W>
void check_inputs(process_evaluator& evaluator, const W& w1, const std::string& first, const std::string& second)
{
    std::map<std::string, std::vector<double>> entering;
    evaluator.observe(1, activation_tap([](std::size_t) { return true; }, [&](std::size_t t, const activation_view& view) {
                          CHECK(view.rows == 16);
                          entering[evaluator.weights()[t].name].assign(view.data, view.data + view.rows * view.cols);
                      }));
    REQUIRE(entering.size() == 2);
    const std::vector<double>&x = entering.at(first), &hidden = entering.at(second);
    const std::size_t in = w1.shape(1), out = w1.shape(0);
    REQUIRE(x.size() == 16 * in);
    REQUIRE(hidden.size() == 16 * out);
    double most = 0;
    for (std::size_t row = 0; row < 16; ++row)
        for (std::size_t o = 0; o < out; ++o) {
            double sum = 0;
            for (std::size_t i = 0; i < in; ++i)
                sum += x[row * in + i] * static_cast<double>(w1(o, i));
            most = std::max(most, std::fabs(std::tanh(sum) - hidden[row * out + o]));
        }
    CHECK(most < 1e-5);  // the program computes in float
}

}  // namespace

TEST_CASE("a shell script is an evaluator")
{
    workplace place;
    const model weights = place.make_model();
    const std::string before = place.bytes();
    {
        process_evaluator evaluator(squares, weights, place.options());
        REQUIRE(evaluator.weights().size() == 2);
        CHECK(evaluator.weights()[0].name == "a");
        CHECK(evaluator.batch_count() == 2);
        CHECK_FALSE(place.clean());
        CHECK(evaluator.loss(1).sum == 2 * evaluator.loss(0).sum);
        CHECK(evaluator.loss(0).count == 3);

        // the mean loss is (1 + 2) / 6 times the sum of squares: its derivatives are the weights, and 1
        const auto found = estimate_differences(evaluator, {.method = difference_method::curvature, .step = 0.1});
        std::vector<float> values(8);
        evaluator.read(0, 0, std::as_writable_bytes(std::span(values).first(6)));
        evaluator.read(1, 0, std::as_writable_bytes(std::span(values).subspan(6)));
        for (std::size_t i = 0; i < 8; ++i) {
            CHECK(found.weights[i].gradient == Approx(values[i]).margin(1e-4));
            CHECK(found.weights[i].curvature == Approx(1).margin(1e-3));
        }
        // a replica is a second process
        const auto two = estimate_differences(evaluator, {.method = difference_method::curvature, .step = 0.1, .evaluation = {.threads = 2}});
        for (std::size_t i = 0; i < 8; ++i)
            CHECK(two.weights[i].gradient == found.weights[i].gradient);

        CHECK_FALSE(evaluator.supports_gradient());
        CHECK(estimate_hessian_trace(evaluator, {.max_probes = 2, .step = 0.05}).method == curvature_method::forward);
        CHECK_THROWS_WITH(estimate_gradient(evaluator), ContainsSubstring("has no gradients; let it answer 'batches N gradient'"));
        CHECK_THROWS_WITH(evaluator.outputs(0), ContainsSubstring("has no outputs; let it answer 'batches N outputs'"));
    }
    CHECK(place.clean());
    CHECK(place.bytes() == before);
}

TEST_CASE("gradients and outputs come in files")
{
    workplace place;
    const model weights = place.make_model();
    // floats 1, 2, 3, 4, 5, 6 for tensor a and 7, 8 for b; outputs 1, 2
    const std::string floats = R"(printf '\0\0\200\77\0\0\0\100\0\0\100\100\0\0\200\100\0\0\240\100\0\0\300\100\0\0\340\100\0\0\0\101')";
    process_evaluator evaluator(R"(
        read -r x; echo batches 1 gradient outputs
        while read -r question batch file; do
            case $question in
                loss) echo 0.5 1;;
                gradient) )" + floats + R"( > "$file"; echo 0.5 1;;
                outputs) )" + floats + R"( | head -c 8 > "$file"; echo 1 2;;
            esac
        done)",
                                weights, place.options());
    CHECK(evaluator.supports_gradient());
    const auto gradient = estimate_gradient(evaluator);
    CHECK(gradient.tensors[0].values == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(gradient.tensors[1].values == std::vector<double>{7, 8});
    CHECK(gradient.loss == 0.5);
    const model_outputs outputs = evaluator.outputs(0);
    CHECK(outputs.rows == 1);
    CHECK(outputs.values == std::vector<float>{1, 2});
}

TEST_CASE("activations come in a safetensors file, with the rows that count")
{
    workplace place;
    const model weights = place.make_model();
    // two rows and one of padding enter a; one of 16 bits enters b, and all of it counts
    const xt::xtensor<float, 2> a = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    const xt::xtensor<bfloat16, 2> b = {{bfloat16(0.5f), bfloat16(-3.0f)}};
    const xt::xtensor<std::uint8_t, 1> rows = {1, 1, 0};
    write_safetensors(place.folder / "inputs.safetensors", std::vector{to_write("a", a), to_write("b", b), to_write("a.rows", rows)});
    const auto shows = [&](const std::string& file, const std::string& answer) {
        return "read x; echo batches 1 activations; while read -r q b f; do cp '" + (place.folder / file).string() + "' \"$f\"; echo " + answer + "; done";
    };
    {
        process_evaluator evaluator(shows("inputs.safetensors", "2"), weights, place.options());
        REQUIRE(evaluator.supports_activations());
        activation_collector collector(evaluator.weights());
        for (int again = 0; again < 2; ++again) {
            collector.begin_batch();
            evaluator.observe(0, collector.tap());
        }
        const auto found = collector.result();
        REQUIRE(found.size() == 2);
        CHECK(found[0].rows == 4);
        CHECK(found[0].sums_of_squares == std::vector<double>{2 * 17, 2 * 29, 2 * 45});
        CHECK(found[1].max_magnitudes == std::vector<double>{0.5, 3});
        // only what is wanted is shown
        std::vector<std::size_t> shown;
        evaluator.observe(0, activation_tap([](std::size_t t) { return t == 1; }, [&](std::size_t t, const activation_view& view) {
                              shown.push_back(t);
                              CHECK(view.row_mask.empty());
                          }));
        CHECK(shown == std::vector<std::size_t>{1});
    }
    CHECK(place.clean());

    const auto refused = [&](const std::string& command) {
        process_evaluator evaluator(command, weights, place.options());
        try {
            evaluator.observe(0, activation_tap([](std::size_t) { return true; }, [](std::size_t, const activation_view&) {}));
        } catch (const process_error& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    const auto written = [&](const auto&... tensors) { write_safetensors(place.folder / "wrong.safetensors", std::vector{tensors...}); };
    CHECK_THAT(refused("read x; echo batches 1 gradient outputs; read x"), ContainsSubstring("has no activations; let it answer 'batches N activations'"));
    CHECK_THAT(refused(shows("inputs.safetensors", "3")), ContainsSubstring("with '3', expected the inputs of as many layers as it says; the file has those of 2"));
    CHECK_THAT(refused(shows("inputs.safetensors", "two")), ContainsSubstring("with 'two', expected a number of layers, such as '12'"));
    CHECK_THAT(refused(shows("missing", "2")), ContainsSubstring("with '2', expected a safetensors file at the path that it was given; "));
    written(to_write("c", a));
    CHECK_THAT(refused(shows("wrong.safetensors", "1")), ContainsSubstring("expected inputs under the names of weights, and 'c' is none"));
    written(to_write("a", a), to_write("c.rows", rows));
    CHECK_THAT(refused(shows("wrong.safetensors", "1")), ContainsSubstring("expected inputs under the names of weights, and 'c' is none"));
    written(to_write("a", rows));
    CHECK_THAT(refused(shows("wrong.safetensors", "1")), ContainsSubstring("expected floats of shape [rows, cols] for 'a', which has U8 of shape [3]"));
    written(to_write("b", b), to_write("b.rows", rows));
    CHECK_THAT(refused(shows("wrong.safetensors", "1")), ContainsSubstring("expected one U8 for each of the 1 rows of 'b', which has U8 of shape [3]"));
}

TEST_CASE("a program that dies, hangs or answers nonsense is a clear error, and nothing is lost")
{
    workplace place;
    const model weights = place.make_model();
    const std::string before = place.bytes();
    const auto expect = [&](const std::string& command, const std::string& message, double timeout = 20) {
        const std::string found = failure(command, weights, place.options(timeout));
        CHECK_THAT(found, ContainsSubstring("weightscope: evaluator '" + printable(command, 200) + "' "));
        CHECK_THAT(found, ContainsSubstring(message));
        CHECK(place.clean());
    };
    expect("read x; echo no such data >&2; exit 3", "ended with status 3 instead of answering 'weightscope 1 ");
    expect("read x; echo no such data >&2; exit 3", "'; its last words: no such data");
    expect("/no/such/program", "ended with status 127 instead of answering 'weightscope 1 ");
    expect("read x; echo batches 2; read x; kill -9 $$", "was ended by signal 9 (Killed) instead of answering 'loss 0'");
    expect("read x; echo batches 2; read x; exec >&-; sleep 100", "closed its output instead of answering 'loss 0'");
    expect("read x; echo batches 2; sleep 100 | cat", "did not answer 'loss 0' within 2 seconds and was ended; raise the timeout if it needs longer",
           2);
    expect("read x; echo hello", "with 'hello', expected 'batches N', N > 0, and 'gradient', 'outputs' or 'activations' after it if it can do that");
    expect("read x; echo batches 0", "with 'batches 0', expected 'batches N'");
    expect("read x; echo batches 1; read x; echo 0.5", "answered 'loss 0' with '0.5', expected a sum and a count, such as '153.5 64'");
    expect("read x; echo batches 1; read x; echo 0.5 1x", "answered 'loss 0' with '0.5 1x', expected a sum and a count");
    expect("read x; echo batches 1; yes | tr -d '\\n'", "answered 'loss 0' with more than 1048576 bytes and no end of line");
    CHECK(place.bytes() == before);

    const auto wrong_file = [&](const std::string& question, const std::string& answer) {
        process_evaluator evaluator("read x; echo batches 1 gradient outputs; read -r q b f; printf 12345678 > \"$f\"; echo " + answer, weights,
                                    place.options());
        if (question == "gradient")
            return std::string(Catch::Detail::stringify([&] {
                try {
                    (void)estimate_gradient(evaluator);
                } catch (const process_error& error) {
                    return std::string(error.what());
                }
                return std::string("no error");
            }()));
        try {
            (void)evaluator.outputs(0);
        } catch (const process_error& error) {
            return std::string(error.what());
        }
        return std::string("no error");
    };
    CHECK_THAT(wrong_file("gradient", "1 1"), ContainsSubstring("expected 8 floats in the file that it was given, which has 8 bytes"));
    CHECK_THAT(wrong_file("outputs", "1 3"), ContainsSubstring("expected 3 floats in the file that it was given, which has 8 bytes"));
    CHECK_THAT(wrong_file("outputs", "3"), ContainsSubstring("expected a number of rows and of columns, such as '64 10'"));
}

TEST_CASE("a program that dies in the middle of a run leaves the weights as they were")
{
    workplace place;
    const model weights = place.make_model();
    const std::string before = place.bytes();
    process_evaluator evaluator("read x; echo batches 1; for i in 1 2 3 4 5; do read x; echo 1 1; done", weights, place.options());
    std::vector<float> values(6), after(6);
    evaluator.read(0, 0, std::as_writable_bytes(std::span(values)));
    CHECK_THROWS_WITH(estimate_differences(evaluator, {.step = 0.01}), ContainsSubstring("ended with status 0 instead of answering 'loss 0'"));
    evaluator.read(0, 0, std::as_writable_bytes(std::span(after)));
    CHECK(after == values);
    // and it says so again instead of waiting
    CHECK_THROWS_WITH(evaluator.loss(0), ContainsSubstring("ended with status 0 instead of answering 'loss 0'"));
    CHECK(place.bytes() == before);
}

TEST_CASE("tied tensors are written to together")
{
    workplace place;
    model weights = place.make_model();
    weights.tensors.push_back(weights.tensors[0]);
    weights.tensors.back().name = "head";
    weights.tensors.back().tied_to = "a";
    process_evaluator evaluator(squares, weights, place.options());
    const auto chosen = estimate_differences(evaluator, {.step = 0.1});
    CHECK(chosen.weights.size() == 8);  // not 14
    // (1 + 2) / 6 · 2 (w² + w²): twice the derivative
    float value = 0;
    evaluator.read(0, 0, std::as_writable_bytes(std::span(&value, 1)));
    CHECK(chosen.weights[0].gradient == Approx(2 * value).margin(1e-3));
}

TEST_CASE("the working copy goes where it is told, or says why it cannot")
{
    workplace place;
    const model weights = place.make_model();
    CHECK_THROWS_AS(process_evaluator(squares, weights, {.folder = place.folder / "missing"}), write_error);
}

TEST_CASE("what a killed process left behind goes when the next one starts beside it, and what lives stays")
{
    workplace place;
    const model weights = place.make_model();
    const process_evaluator alive(squares, weights, place.options());
    int ready[2] = {-1, -1};
    REQUIRE(::pipe(ready) == 0);
    const ::pid_t killed = ::fork();
    if (killed == 0) {
        const detail::scratch_folder other(place.folder / "work");  // that of a process_evaluator
        std::ofstream(other.path() / "weights.safetensors") << "weights";
        (void)!::write(ready[1], "x", 1);
        ::pause();
        ::_exit(0);
    }
    char x = 0;
    REQUIRE(::read(ready[0], &x, 1) == 1);
    ::kill(killed, SIGKILL);
    ::waitpid(killed, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    const auto folders = [&] { return std::distance(fs::directory_iterator(place.folder / "work"), fs::directory_iterator()); };
    CHECK(folders() == 2);
    fs::create_directories(place.folder / "work" / "weightscope-nolock");  // a moment old, or somebody else's
    {
        process_evaluator next(squares, weights, place.options());
        CHECK(folders() == 3);  // the living one's, this one's and the one without a lock
        CHECK(next.loss(0).count == 3);
    }
    CHECK(folders() == 2);
    CHECK(fs::exists(place.folder / "work" / "weightscope-nolock"));
}

TEST_CASE("encoded weights reach a program as their values")
{
    // codes of one byte, each worth half of itself
    struct halves : value_decoder
    {
        void decode(std::size_t first, std::span<std::byte> values) const override
        {
            for (std::size_t i = 0; i < values.size() / sizeof(float); ++i) {
                const float value = 0.5f * static_cast<float>(first + i + 1);
                std::memcpy(values.data() + i * sizeof(float), &value, sizeof(float));
            }
        }
    };
    workplace place;
    model weights = place.make_model();
    weights.tensors[0].decoder = std::make_shared<halves>();  // the six values of a are 0.5, 1, ... 3
    process_evaluator evaluator(squares, weights, place.options());
    // 0.25 (1 + 4 + 9 + 16 + 25 + 36) and b's 0.25 + 4
    CHECK(evaluator.loss(0).sum == Approx(0.25 * 91 + 4.25));
}

TEST_CASE("the example in Python with numpy keeps the promises of an evaluator")
{
    if (!python_has("numpy"))
        return;
    workplace place;
    const xt::xtensor<float, 2> w1 = random_normal<float>({6, 5}, {.seed = 1}), w2 = random_normal<float>({3, 6}, {.seed = 2});
    write_safetensors(place.folder / "model.safetensors", std::vector{to_write("w1", w1), to_write("w2", w2)});
    process_evaluator evaluator(example("mlp_numpy.py"), read_safetensors(place.folder / "model.safetensors"), place.options());
    const auto result = test_evaluator(evaluator);
    for (const self_test_check& check : result.checks) {
        INFO(check.name << ": " << check.text);
        CHECK(check.passed);
    }
    CHECK(result.checks.size() == 5);
    const auto same = compare_outputs(evaluator, evaluator);
    CHECK(same.rows == 64);
    CHECK(same.psnr_db.reason == "exact");
    check_inputs(evaluator, w1, "w1", "w2");
}

TEST_CASE("the example with PyTorch keeps the promises of an evaluator")
{
    if (!python_has("torch") || !python_has("numpy"))
        return;
    workplace place;
    const xt::xtensor<bfloat16, 2> w1 = random_normal<bfloat16>({6, 5}, {.seed = 1});
    const xt::xtensor<float, 2> w2 = random_normal<float>({3, 6}, {.seed = 2});
    write_safetensors(place.folder / "model.safetensors", std::vector{to_write("0.weight", w1), to_write("2.weight", w2)});
    process_evaluator evaluator(example("mlp_torch.py"), read_safetensors(place.folder / "model.safetensors"), place.options(120));
    const auto result = test_evaluator(evaluator);
    for (const self_test_check& check : result.checks) {
        INFO(check.name << ": " << check.text);
        CHECK(check.passed);
    }
    CHECK(result.checks.size() == 5);
}

TEST_CASE("the example with ONNX Runtime keeps the promises of an evaluator")
{
    if (!python_has("onnxruntime") || !python_has("onnx") || !python_has("numpy"))
        return;
    workplace place;
    const xt::xtensor<float, 2> w1 = random_normal<float>({6, 5}, {.seed = 1}), w2 = random_normal<float>({3, 6}, {.seed = 2});
    write_safetensors(place.folder / "model.safetensors", std::vector{to_write("w1", w1), to_write("w2", w2)});
    process_evaluator evaluator(example("mlp_onnx.py"), read_safetensors(place.folder / "model.safetensors"), place.options(120));
    const auto result = test_evaluator(evaluator);
    for (const self_test_check& check : result.checks) {
        INFO(check.name << ": " << check.text);
        CHECK(check.passed);
    }
    CHECK(result.checks.size() == 4);
    CHECK_FALSE(evaluator.supports_outputs());
}

#endif
