package datasets

// idxSource says of an image dataset in four IDX files, as MNIST's and those named after it, where
// it is to be had and how to know it.
type idxSource struct {
	name          string
	classes       []string
	height, width int
	mean, std     float32
	debian        string // folder of the Debian package
	debianPackage string
	url           string // folder of the original
	files         map[Split][2]idxFile
}

// idxFile is a file of images (three dimensions) or labels (one).
type idxFile struct {
	name   string // without .gz
	items  int
	sha256 string // without compression
	// As downloaded, compressed.
	gzSize   int64
	gzSHA256 string
}

// fashionMNIST is Fashion-MNIST (arXiv 1708.07747, github.com/zalandoresearch/fashion-mnist). The
// compressed files are those of the MD5 sums that its authors publish; Debian's hold the same, byte
// for byte, but for name and time in the gzip header, which Debian leaves out. Mean and Std are those of
// the training images, as they are commonly rounded.
func fashionMNIST() idxSource {
	return idxSource{
		name: "fashion-mnist",
		classes: []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
			"Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
		height: 28, width: 28,
		mean: 0.2860, std: 0.3530,
		debian:        "/usr/share/datasets/fashion-mnist",
		debianPackage: "dataset-fashion-mnist",
		url:           "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
		files: map[Split][2]idxFile{
			Train: {{
				name: "train-images-idx3-ubyte", items: 60000,
				sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
				gzSize: 26421880, gzSHA256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
			}, {
				name: "train-labels-idx1-ubyte", items: 60000,
				sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
				gzSize: 29515, gzSHA256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
			}},
			Test: {{
				name: "t10k-images-idx3-ubyte", items: 10000,
				sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
				gzSize: 4422102, gzSHA256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
			}, {
				name: "t10k-labels-idx1-ubyte", items: 10000,
				sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
				gzSize: 5148, gzSHA256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
			}},
		},
	}
}

// FashionMNIST returns the Train (60000) or Test (10000) images of Fashion-MNIST, 28x28 in grey, 10
// classes. The first of these places that has the files is taken: the folder of From or of
// $TOKENFUSE_DATA (there or in its fashion-mnist), the Debian package dataset-fashion-mnist, the user's
// cache (os.UserCacheDir, tokenfuse/datasets/fashion-mnist), the original's download, which goes to
// that cache.
//
// A file with as many items as the original must be the original, whatever place it comes from; only
// a folder that the user names may hold another number. A damaged file is an error that names it, except in the
// cache, where it is downloaded again. ErrNotFound is returned when no place has the files.
func FashionMNIST(split Split, options ...Option) (*Images, error) {
	return fashionMNIST().load(split, options...)
}
